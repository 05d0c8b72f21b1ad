/* llmc-tokenize: text to token sets, and back. */
#ifndef TOKENIZE_H
#define TOKENIZE_H

int tokenize_main(int argc, char **argv);       /* the exit status; dies */

#endif
