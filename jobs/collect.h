/* A store gathered into tables for analysis. sweep.h5 is HDF5 1.8 format, creation order tracked,
 * the layout that h5py, pandas, xarray, PyTables, MATLAB, R and Julia read:
 *
 *   root attributes   schema_name = atelier-sweep, schema_version, Conventions, creator, ...
 *   /runs             one row a run, dimension scale `run_id` (0, 1, ...). A 1-D column for
 * whatever differs between the runs: id, status, parameters, facts, final and start losses. What is
 * the same in all of them is an attribute of the group. Numbers are float64 (NaN: none) or int32
 * (-1, where _FillValue says so); texts are variable-length UTF-8; NAME_code is a text column's
 * twin in numbers (int8, flag_values, flag_meanings) for tools that read no such texts /history all
 * rows of all runs, one below the other: dimension scale `row`, `run_id`, then the columns of a
 * result's history; NaN where a run has no such layer /images/run000123 pictures, if asked for:
 * uint8 height x width x 3
 *
 * Equal stores give equal bytes. */
#ifndef ATELIER_COLLECT_H
#define ATELIER_COLLECT_H

#include "result.h"
#include "runs.h"

enum { SWEEP_SCHEMA_VERSION = 1 };

/* What came of it. */
struct collected {
    size_t rows, pictures;
    size_t lost; /* runs that became unreadable since runs_read */
};

/* Writes the file whole or not at all. facts become root attributes. Memory: some 10 MB, whatever
 * the size of the sweep: the file grows on the disk, in a child process, since HDF5 cannot close a
 * file on a disk that is full.
 * Errors: E_INPUT, E_ENVIRONMENT: an earlier file stands as it was. Threads: none may be inside
 * HDF5. */
int collect_write(const struct runs *runs, const char *path, bool images, const struct fact *facts,
                  size_t fact_count, struct collected *out, struct error *err);

/* The same two tables as runs.csv and history.csv in `folder`, which is made if need be: UTF-8,
 * RFC 4180, numbers in full, an empty cell where there is no value. What is the same in all runs is
 * a column, too. */
int collect_csv(const struct runs *runs, const char *folder, struct error *err);

/* One TensorBoard event file a run that is done, in a folder of its id: loss/total, loss/content,
 * ..., layer/style_relu1_1, ... by evaluation. */
int collect_tensorboard(const struct runs *runs, const char *folder, struct error *err);

#endif
