/* The file system where others may write, too: stores of a group, shared caches, /dev/shm. Whatever
 * is opened, made or removed there goes through here.
 *
 * Links: the last part of a path is never followed. A link on the way is followed only where root
 * or the one who runs us has made it: one that somebody else plants leads nowhere.
 * All of these return -1 with errno where it says so; ELOOP means that a link is in the way. */
#ifndef ATELIER_FILES_H
#define ATELIER_FILES_H

#include <stdbool.h>

/* Opens a folder for what is done below it (openat, fsync, fdopendir). -1 with errno.
 * Checked by: a_folder_is_not_reached_over_a_foreign_link */
int files_open_folder(const char *path);

/* Whether an open folder is private: of the one who runs us, and closed to all others. */
bool files_is_private(int folder);

/* Removes a private folder with all that is in it, by its name in the folder `above`. Enters no
 * link, no file system mounted there and no folder that is not private or of another one. -1 with
 * errno: something is left. Checked by: only_what_is_ours_is_removed */
int files_remove_tree(int above, const char *name);

#endif
