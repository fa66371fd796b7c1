/* What whoever starts a program may leave it with, over exec: a SIGCHLD that is ignored (daemons,
 * Perl, Python), signals that are blocked, standard streams that are closed. */
#ifndef ATELIER_INHERITANCE_H
#define ATELIER_INHERITANCE_H

/* As a shell would have left it: the ends of children are told, signals arrive, and no file that is
 * opened gets the number of a standard stream. First of all in main, before there are threads. */
void inheritance_mend(void);

#endif
