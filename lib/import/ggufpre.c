/* What happens to text before byte-level BPE, by the name that a GGUF gives it. */
#include "import/ggufile.h"

#include <string.h>

#define SEQUENCE(x) "{\"type\": \"Sequence\", \"pretokenizers\": [" x "]}"
#define SPLIT(re) "{\"type\": \"Split\", \"pattern\": {\"Regex\": \"" re "\"}, \"behavior\": \"Isolated\", " \
	"\"invert\": false}"
#define DIGITS(each) "{\"type\": \"Digits\", \"individual_digits\": " each "}"
#define NFC "{\"type\": \"NFC\"}"
#define SPACES "\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"
#define APOSTROPHE "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define WORDS(digits) SPLIT(APOSTROPHE "|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|" digits "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|" SPACES)
/* Words that begin small, and words that begin with capitals. */
#define CASED(tail, digits) \
	SPLIT("[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?[\\\\p{Lu}\\\\p{Lt}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]*[\\\\p{Ll}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]+" tail \
	      "|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?[\\\\p{Lu}\\\\p{Lt}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]+[\\\\p{Ll}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]*" tail \
	      "|" digits "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n/]*|" SPACES)
#define CJK "[\xe4\xb8\x80-\xe9\xbe\xa5\xe0\xa0\x80-\xe4\xb8\x80\xea\xb0\x80-\xed\x9f\xbf]+"
/* Latin, Greek, Cyrillic and the other scripts that have two cases, letter by letter. */
#define TWO_CASES \
	"\\\\s?[A-Za-z\xc2\xb5\xc3\x80-\xc3\x96\xc3\x98-\xc3\xb6\xc3\xb8-\xc6\xba\xc6\xbc-\xc6\xbf\xc7\x84-\xca" \
	"\x93\xca\x95-\xca\xaf\xcd\xb0-\xcd\xb3\xcd\xb6\xcd\xb7\xcd\xbb-\xcd\xbd\xcd\xbf\xce\x86\xce\x88-\xce\x8a" \
	"\xce\x8c\xce\x8e-\xce\xa1\xce\xa3-\xcf\xb5\xcf\xb7-\xd2\x81\xd2\x8a-\xd4\xaf\xd4\xb1-\xd5\x96\xe1\x82" \
	"\xa0-\xe1\x83\x85\xe1\x8e\xa0-\xe1\x8f\xb5\xe1\x8f\xb8-\xe1\x8f\xbd\xe1\xb2\x90-\xe1\xb2\xba\xe1\xb2\xbd" \
	"-\xe1\xb2\xbf\xe1\xb4\x80-\xe1\xb4\xab\xe1\xb5\xab-\xe1\xb5\xb7\xe1\xb5\xb9-\xe1\xb6\x9a\xe1\xb8\x80-" \
	"\xe1\xbc\x95\xe1\xbc\x98-\xe1\xbc\x9d\xe1\xbc\xa0-\xe1\xbd\x85\xe1\xbd\x88-\xe1\xbd\x8d\xe1\xbd\x90-\xe1" \
	"\xbd\x97\xe1\xbd\x99\xe1\xbd\x9b\xe1\xbd\x9d\xe1\xbd\x9f-\xe1\xbd\xbd\xe1\xbe\x80-\xe1\xbe\xb4\xe1\xbe" \
	"\xb6-\xe1\xbe\xbc\xe1\xbe\xbe\xe1\xbf\x82-\xe1\xbf\x84\xe1\xbf\x86-\xe1\xbf\x8c\xe1\xbf\x90-\xe1\xbf\x93" \
	"\xe1\xbf\x96-\xe1\xbf\x9b\xe1\xbf\xa0-\xe1\xbf\xac\xe1\xbf\xb2-\xe1\xbf\xb4\xe1\xbf\xb6-\xe1\xbf\xbc\xe2" \
	"\x84\x82\xe2\x84\x87\xe2\x84\x8a-\xe2\x84\x93\xe2\x84\x95\xe2\x84\x99-\xe2\x84\x9d\xe2\x84\xa4\xe2\x84" \
	"\xa6\xe2\x84\xa8\xe2\x84\xaa-\xe2\x84\xad\xe2\x84\xaf-\xe2\x84\xb4\xe2\x84\xb9\xe2\x84\xbc-\xe2\x84\xbf" \
	"\xe2\x85\x85-\xe2\x85\x89\xe2\x85\x8e\xe2\x86\x83\xe2\x86\x84\xe2\xb0\x80-\xe2\xb1\xbb\xe2\xb1\xbe-\xe2" \
	"\xb3\xa4\xe2\xb3\xab-\xe2\xb3\xae\xe2\xb3\xb2\xe2\xb3\xb3\xea\x99\x80-\xea\x99\xad\xea\x9a\x80-\xea\x9a" \
	"\x9b\xea\x9c\xa2-\xea\x9d\xaf\xea\x9d\xb1-\xea\x9e\x87\xea\x9e\x8b-\xea\x9e\x8e\xea\xad\xb0-\xea\xae\xbf" \
	"\xef\xac\x80-\xef\xac\x86\xef\xac\x93-\xef\xac\x97\xef\xbc\xa1-\xef\xbc\xba\xef\xbd\x81-\xef\xbd\x9a\xf0" \
	"\x90\x90\x80-\xf0\x90\x91\x8f\xf0\x90\x92\xb0-\xf0\x90\x93\x93\xf0\x90\x93\x98-\xf0\x90\x93\xbb\xf0\x90" \
	"\xb2\x80-\xf0\x90\xb2\xb2\xf0\x90\xb3\x80-\xf0\x90\xb3\xb2\xf0\x91\xa2\xa0-\xf0\x91\xa3\x9f\xf0\x9e\xa4" \
	"\x80-\xf0\x9e\xa5\x83]+"
#define PUNCTUATION "\\\\s?[!-/:-~\xef\xbc\x81-\xef\xbc\x8f\xef\xbc\x9a-\xef\xbd\x9e\xe2\x80\x98-\xe2\x80\x9f\xe3\x80\x80-" \
	"\xe3\x80\x82]+"
#define KANA "[\xe4\xb8\x80-\xe9\xbe\xa5\xe3\x81\x80-\xe3\x82\x9f\xe3\x82\xa0-\xe3\x83\xbf]+"
#define BLOOM " ?[^(\\\\s|.,!?\xe2\x80\xa6\xe3\x80\x82\xef\xbc\x8c\xe3\x80\x81\xe0\xa5\xa4\xdb\x94\xd8\x8c)]+"

/* A name that is not here is refused: a wrong split gives ids that look right. */
static const struct gguf_pre rows[] = {
	{ { "gpt-2", "phi-2" }, "null", BYTE_LEVEL("true"), false, false },
	{ { "olmo" }, NFC, "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true}", false, false }, /* GPT-NeoX */
	{ { "smollm", "starcoder" }, "null", SEQUENCE(DIGITS("true") ", " BYTE_LEVEL("true")), false, false },
	{ { "llama-bpe", "llama3", "llama-v3" }, "null", SEQUENCE(WORDS("\\\\p{N}{1,3}") ", " BYTE_LEVEL("false")), true, true },
	{ { "dbrx", "smaug-bpe" }, "null", SEQUENCE(WORDS("\\\\p{N}{1,3}") ", " BYTE_LEVEL("false")), false, false },
	{ { "qwen2" }, NFC, SEQUENCE(WORDS("\\\\p{N}") ", " BYTE_LEVEL("false")), false, false },
	{ { "tekken" }, "null", SEQUENCE(CASED("", "\\\\p{N}") ", " BYTE_LEVEL("false")), true, true },
	{ { "gpt-4o" }, "null", SEQUENCE(CASED(APOSTROPHE "?", "\\\\p{N}{1,3}") ", " BYTE_LEVEL("false")), false, false },
	{ { "falcon" }, "null", SEQUENCE("{\"type\": \"Punctuation\", \"behavior\": \"Contiguous\"}, " BYTE_LEVEL("true") ", "
	  DIGITS("false") ", " SPLIT("[0-9][0-9][0-9]")), false, false },
	{ { "bloom" }, "null", SEQUENCE(SPLIT(BLOOM) ", " BYTE_LEVEL("false")), false, false },
	{ { "deepseek-coder" }, "null", SEQUENCE(SPLIT("[\\r\\n]") ", " SPLIT("\\\\s?\\\\p{L}+") ", " SPLIT("\\\\s?\\\\p{P}+") ", "
	  SPLIT(CJK) ", " DIGITS("true") ", " BYTE_LEVEL("false")), false, true },
	{ { "deepseek-llm" }, "null", SEQUENCE(SPLIT("[\\r\\n]") ", " SPLIT(TWO_CASES) ", " SPLIT(PUNCTUATION) ", "
	  SPLIT("\\\\s+$") ", " SPLIT(CJK) ", " DIGITS("true") ", " BYTE_LEVEL("false")), false, true },
	{ { "deepseek-v3" }, "null", SEQUENCE(SPLIT("\\\\p{N}{1,3}") ", " SPLIT(KANA) ", "
	  SPLIT("[!\\\"#$%&'()*+,\\\\-./:;<=>?@\\\\[\\\\\\\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\\\p{L}\\\\p{P}\\\\p{S}]?[\\\\p{L}\\\\p{M}]+"
	        "| ?[\\\\p{P}\\\\p{S}]+[\\r\\n]*|\\\\s*[\\r\\n]+|\\\\s+(?!\\\\S)|\\\\s+") ", " BYTE_LEVEL("false")), false, true }
};

const struct gguf_pre *gguf_pre(struct gguf_str s)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		for (int k = 0; k < 4 && rows[i].name[k]; k++)
			if (strlen(rows[i].name[k]) == s.n && !memcmp(rows[i].name[k], s.s, s.n))
				return &rows[i];
	return NULL;
}

const char *gguf_pre_name(size_t i)
{
	return i < sizeof(rows) / sizeof(*rows) ? rows[i].name[0] : NULL;
}
