/* The file system where others may write, too: stores of a group, shared caches, /dev/shm. Whatever
 * is opened, made or removed there goes through here.
 *
 * Links: the last part of a path is never followed. A link on the way is followed only where root
 * or the one who runs us has made it: one that somebody else plants leads nowhere.
 * All of these return -1 with errno where it says so; ELOOP means that a link is in the way. */
#ifndef ATELIER_FILES_H
#define ATELIER_FILES_H

#include "error.h"
#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>

/* Opens a folder for what is done below it (openat, fsync, fdopendir). -1 with errno.
 * Checked by: a_folder_is_not_reached_over_a_foreign_link */
int files_open_folder(const char *path);

/* The folder that a path lies in, open for lookups alone, and the path's last part, borrowed. -1
 * with errno, and then the folder is -1. */
struct files_place {
    int folder;
    const char *name;
};
int files_find(const char *path, struct files_place *out);

/* A regular file for reading, and none other: no link, no FIFO that would be waited for. *file is
 * -1 with status 0 where there is none. Errors: E_INPUT: it is something else; E_ENVIRONMENT.
 * Checked by: only_regular_files_are_opened */
int files_open(const char *path, int *file, struct error *err);

/* One that is added to in place (reading is allowed), made if it is not there. As files_open; a
 * file that has another name, too, is refused: it may be anybody's. Checked by:
 * only_regular_files_are_opened */
int files_open_to_append(const char *path, int *file, struct error *err);

/* One that is worked on in place, not only at its end: as files_open_to_append. */
int files_open_to_update(const char *path, int *file, struct error *err);

/* All of it or -1 with errno. */
int files_write(int file, const void *bytes, size_t count);

/* A whole regular file and a final 0; NULL with status 0 where there is none. Caller frees.
 * Errors: as files_open. */
int files_read(const char *path, char **text, size_t *bytes, struct error *err);

/* As their namesakes, in folders found as above; -1 with errno. */
int files_unlink(const char *path);
int files_rename(const char *from, const char *to);
int files_touch(const char *path);

/* link(2) as NFS needs it: a link that was made is a success, whatever the server's second answer
 * says. File systems without links get a rename that does not replace. -1 with errno. */
int files_link(const char *from, const char *to);
int files_link_at(int from_folder, const char *from, int to_folder, const char *to);

/* Makes a folder, or finds one; its name is durable. Errors: E_INPUT: something else is there;
 * E_ENVIRONMENT. */
int files_make_folder(const char *path, struct error *err);

/* With all that are missing above it. */
int files_make_folders(const char *path, struct error *err);

/* What was changed in a folder is durable. Some file systems have no fsync for folders: that is no
 * error. -1 with errno. */
int files_sync_folder(int folder);

/* The next entry of an open folder, NULL at its end; a folder that cannot be read is not at its
 * end. `path` is for the message. Errors: E_ENVIRONMENT. Checked by:
 * a_folder_that_cannot_be_read_is_not_at_its_end */
int files_next(DIR *entries, const char *path, struct dirent **out, struct error *err);

/* Whether two paths lead to one file, over links, too. */
bool files_are_same(const char *a, const char *b);

/* Whether an open folder is private: of the one who runs us, and closed to all others. */
bool files_is_private(int folder);

/* Removes a private folder with all that is in it, by its name in the folder `above`. Enters no
 * link, no file system mounted there and no folder that is not private or of another one. -1 with
 * errno: something is left. Checked by: only_what_is_ours_is_removed */
int files_remove_tree(int above, const char *name);

#endif
