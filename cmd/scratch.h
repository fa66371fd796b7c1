/* A folder for Open MPI's temporary files, in shared memory where every user may write. */
#ifndef ATELIER_SCRATCH_H
#define ATELIER_SCRATCH_H

/* Ours alone, under a name nobody could guess, and locked as long as we live. Life: scratch_make,
 * use, scratch_remove. */
struct scratch {
    char *path; /* NULL: there is none */
    int above, folder;
};

/* Makes one in `above`, and before that removes what launchers of this user have left there that
 * were killed: private folders of ours alone, which nobody else can have made, and which no living
 * process has locked. Without one (no such `above`, no room) the path is NULL.
 * Checked by: test_scratch */
struct scratch scratch_make(const char *above);
void scratch_remove(struct scratch *scratch);

#endif
