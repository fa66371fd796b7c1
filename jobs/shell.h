/* Commands as a person can paste them into a shell. */
#ifndef ATELIER_SHELL_H
#define ATELIER_SHELL_H

/* The words on one line, each quoted where it holds anything but letters, digits and -_./=:,+@%.
 * Control characters, such as reorder a line and bytes that are no UTF-8 become $'\012', as bash,
 * zsh, ksh and POSIX 2024 read it; everything else is good for any shell. Caller frees; NULL: no
 * memory. */
char *shell_command(int count, char *const words[]);

#endif
