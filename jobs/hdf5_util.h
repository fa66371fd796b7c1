/* HDF5 as this project uses it: format 1.8, creation order tracked, explicit little-endian types,
 * variable-length UTF-8 texts, and errors that become a struct error instead of being printed.
 *
 * Every function returns 0 or an error code. On writing a refusal of HDF5's is E_BUG, or
 * E_ENVIRONMENT where memory is out or the disk takes no more; on reading it is E_INPUT: the file
 * is at fault. Objects made or opened here are released with hdf5_close, texts read with free. */
#ifndef ATELIER_HDF5_UTIL_H
#define ATELIER_HDF5_UTIL_H

#include "error.h"
#include "hdf5_attributes.h"
#include "publish.h"
#include <hdf5.h>
#include <stddef.h>
#include <stdint.h>

/* HDF5 prints its errors on stderr until told not to, thread by thread. Called by every function
 * of this folder that the others call. */
void hdf5_quiet(void);

/* fail(), followed by ": " and the innermost message on HDF5's error stack. E_BUG becomes
 * E_ENVIRONMENT where that, or errno, says that memory is out or the disk is full. */
int hdf5_fail(struct error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Closes a file, group, dataset, space, type or property list. Takes H5I_INVALID_HID. */
void hdf5_close(hid_t id);

/* A property list to make a file, group or dataset with: creation order tracked and indexed, and no
 * time stamps, so that equal content gives equal bytes. */
hid_t hdf5_new_list(hid_t class);

/* A new file that lives in memory until hdf5_write_out; one at a time in a thread. HDF5 never sees
 * the disk: when one fills up under it, HDF5 1.10 can close its file no more and crashes when the
 * process exits. */
int hdf5_new_file(hid_t *file, struct error *err);

/* A new file on the disk, under the publication's temporary name, for what does not fit into
 * memory. Once something could not be written to it, it must not be closed: its process has to
 * _exit. */
int hdf5_new_large_file(const struct publication *publication, hid_t *file, struct error *err);

/* Closes such a file; publish_commit gives it its name. */
int hdf5_close_large_file(hid_t *file, struct error *err);

/* Closes a file of hdf5_new_file and adds it to a publication. `finish` (NULL: nothing) may change
 * its bytes before. */
int hdf5_write_out(hid_t *file, int (*finish)(unsigned char *bytes, size_t size, struct error *err),
                   const struct publication *to, struct error *err);

/* Opens a file for reading, without locks: published files never change. Refused unless all of it
 * lies in the file itself (checked_hdf5.h). Errors: also E_ENVIRONMENT: no such file. */
int hdf5_open_file(const char *path, hid_t *file, struct error *err);

/* The same of a file that is open already; the descriptor remains the caller's. */
int hdf5_open_descriptor(int descriptor, hid_t *file, struct error *err);

int hdf5_new_group(hid_t parent, const char *name, hid_t *group, struct error *err);
int hdf5_open_group(hid_t parent, const char *name, hid_t *group, struct error *err);

/* Attributes. write_ascii is for the attributes of HDF5's own conventions, which want fixed-length
 * ASCII; everything else is text. */
int hdf5_write_text(hid_t object, const char *name, const char *text, struct error *err);
int hdf5_write_ascii(hid_t object, const char *name, const char *text, struct error *err);
int hdf5_write_whole(hid_t object, const char *name, int64_t value, struct error *err);
int hdf5_write_real(hid_t object, const char *name, double value, struct error *err);
int hdf5_read_text(hid_t object, const char *name, char **text, struct error *err);
int hdf5_read_whole(hid_t object, const char *name, int64_t *value, struct error *err);
int hdf5_read_real(hid_t object, const char *name, double *value, struct error *err);

/* All attributes of an object. */
int hdf5_attributes_read(hid_t object, struct hdf5_attributes *out, struct error *err);

/* What a column holds, in the file and in memory. */
enum hdf5_kind {
    HDF5_REAL,  /* double */
    HDF5_WHOLE, /* int32_t */
    HDF5_LONG,  /* int64_t */
    HDF5_CODE,  /* int8_t: numbers of the words of a list */
    HDF5_TEXT   /* const char *: of variable length, UTF-8 */
};

/* A column of a table: a 1-D dataset, chunked and compressed. */
struct hdf5_column {
    const char *name, *title;
    const char *unit; /* NULL or "": none */
    enum hdf5_kind kind;
    size_t rows;
    const void *values;   /* [rows]; NULL: written later, by hdf5_write_rows */
    const char *meanings; /* of codes 0, 1, ...: words with blanks between; NULL elsewhere */
    bool lacking;         /* whole numbers: -1 means that there is none (NaN does so for reals) */
};

/* Writes a column and ties it to the dimension scale `scale`; with scale = H5I_INVALID_HID it
 * becomes one itself. The dataset is left open in *column, or closed if that is NULL. */
int hdf5_write_column(hid_t group, const struct hdf5_column *column, hid_t scale, hid_t *dataset,
                      struct error *err);

/* Writes count values from row `first` on. A table of many rows is fastest written in pieces of
 * HDF5_CHUNK_ROWS, from a multiple of that. */
enum { HDF5_CHUNK_ROWS = 16384 };
int hdf5_write_rows(hid_t dataset, enum hdf5_kind kind, size_t first, size_t count,
                    const void *values, struct error *err);

/* Cuts a column off. */
int hdf5_cut_rows(hid_t dataset, size_t rows, struct error *err);

/* Rows of the column of that name, and whether it holds whole numbers. E_INPUT if it has more than
 * `limit` rows. */
int hdf5_column_shape(hid_t group, const char *name, size_t limit, size_t *rows, int *integer,
                      struct error *err);

/* The same of a column that is open; and its values [rows], int32_t or double. name is for
 * messages.
 */
int hdf5_open_column_shape(hid_t dataset, const char *name, size_t limit, size_t *rows,
                           int *integer, struct error *err);
int hdf5_read_open_column(hid_t dataset, const char *name, int integer, size_t rows, void *values,
                          struct error *err);

/* A dataset [height][width][3] of doubles, contiguous. */
int hdf5_write_field(hid_t group, const char *name, int height, int width, const double *values,
                     struct error *err);

/* Its size; E_INPUT unless both sides are in 1..65535 and the file holds all of its values. */
int hdf5_field_shape(hid_t group, const char *name, int *height, int *width, struct error *err);
int hdf5_read_field(hid_t group, const char *name, int height, int width, double *values,
                    struct error *err);

/* As those two, of a picture: uint8 [height][width][3], compressed. rgb has room for all of it. */
int hdf5_picture_shape(hid_t group, const char *name, int *height, int *width, struct error *err);
int hdf5_read_picture(hid_t group, const char *name, uint8_t *rgb, struct error *err);

/* Bytes that one byte of a file can unpack to: deflate reaches 1032. */
enum { HDF5_UNPACKED_MAX = 2048 };

#endif
