/* What Slurm says of its machines. */
#ifndef ATELIER_SITE_H
#define ATELIER_SITE_H

#include "request.h"

/* The smallest node of a partition (NULL: the default one) and its time limit. Left as it is where
 * there is no Slurm, or no such partition. */
void site_node(const char *partition, struct node *node);

/* One line of `sinfo -h -o "%P %c %m %l"`: "main* 64 256000 2-00:00:00". Returns whether it is one,
 * and whether it is of the default partition. Checked by: sinfo_lines_are_understood */
bool site_parse(const char *line, char name[64], struct node *node, bool *is_default);

#endif
