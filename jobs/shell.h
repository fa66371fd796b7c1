/* Commands as a person can paste them into a shell. */
#ifndef ATELIER_SHELL_H
#define ATELIER_SHELL_H

/* The words on one line, each quoted where it holds anything but letters, digits and -_./=:,+@%.
 * Control characters become $'\n', as bash, zsh, ksh and POSIX 2024 read it; everything else is
 * good for any shell. Caller frees; NULL: no memory. */
char *shell_command(int count, char *const words[]);

#endif
