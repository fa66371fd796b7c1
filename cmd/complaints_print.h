/* Complaints about a file, shown to a person. */
#ifndef ATELIER_COMPLAINTS_PRINT_H
#define ATELIER_COMPLAINTS_PRINT_H

#include "complaint.h"

/* All of them to stderr, in the order of the file, and how many more there are. */
void complaints_print(const struct complaints *complaints);

#endif
