/* What a child that reads results sends to its parent. A damaged file may have damaged the child:
 * the parent believes none of the sizes, and each answer has an end that it knows. */
#ifndef ATELIER_RESULT_WIRE_H
#define ATELIER_RESULT_WIRE_H

#include "result_stream.h"
#include <stdio.h>

/* One file's answer: its contents where status is 0, else the message. Whether it arrives is seen
 * at the other end, and by ferror. */
void result_send(FILE *to, const struct result_contents *contents, int status, const char *message);

/* The same at the other end: *why is what the child found wrong, or zeroed. False: the child is
 * gone, or what it says makes no sense, or memory is out. *contents, zeroed before, is in any case
 * released with result_contents_release. */
bool result_receive(FILE *from, struct result_contents *contents, struct error *why);

#endif
