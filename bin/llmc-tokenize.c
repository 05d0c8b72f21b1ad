/* llmc-tokenize: text to rows of token ids. */
#include "data/tokenize.h"

int main(int argc, char **argv)
{
	return tokenize_main(argc, argv);
}
