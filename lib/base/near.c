#include "base/near.h"

#include <string.h>

static int min3(int a, int b, int c)
{
	a = a < b ? a : b;
	return a < c ? a : c;
}

int near_distance(const char *a, const char *b)
{
	int row[64], n = (int)strnlen(b, 63), m = (int)strnlen(a, 63);

	for (int j = 0; j <= n; j++)
		row[j] = j;
	for (int i = 1; i <= m; i++) {
		int diag = row[0];

		row[0] = i;
		for (int j = 1; j <= n; j++) {
			int up = row[j];

			row[j] = min3(up + 1, row[j - 1] + 1, diag + (a[i - 1] != b[j - 1]));
			diag = up;
		}
	}
	return row[n];
}

bool near_try(struct near *n, const char *known)
{
	int d = near_distance(known, n->word);

	if (n->best && d >= n->distance)
		return false;
	n->best = known;
	n->distance = d;
	return true;
}

bool near_enough(const struct near *n, size_t len)
{
	return n->best && 3 * (size_t)n->distance <= len;
}
