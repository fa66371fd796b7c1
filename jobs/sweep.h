/* A sweep file: YAML that says which pictures are wanted without listing them.
 *
 *   output:    runs/starry                    folder for the results
 *   defaults:  {size: 512}                    one value each, for every job
 *   matrix:    {content: [a.jpg, b.jpg], style_weight: {geomspace: [0.1, 100, 7]}}
 *   zip:       {style: [a.jpg, b.jpg], seed: [1, 2]}     lists that advance together; or a list of
 *                                             such groups
 *   exclude:   [{style: a.jpg, size: 512}]    combinations with all of these values
 *   include:   [{style: a.jpg, size: 1024}]   added to combinations, or jobs of their own
 *   random:    {draws: 50, seed: 1, tv_weight: {loguniform: [1e-3, 10]}}
 *
 * Combinations come in the order of the file, the first key changing slowest. exclude and include
 * follow the rules of GitHub Actions' matrix, on typed values: 1e3 is 1000, block4_conv2 is
 * relu4_2. include comes after exclude; it adds its values to every combination of matrix and zip
 * of which it would change none (what an earlier include added may be changed), and is a job of its
 * own where there is none. Then each combination is repeated with every draw.
 * Source: docs.github.com, "Running variations of jobs in a workflow". Checked by: test_sweep */
#ifndef ATELIER_SWEEP_H
#define ATELIER_SWEEP_H

#include "error.h"
#include <stddef.h>

struct job_builder;

/* Adds the jobs of a sweep to the builder and sets its list's output. The same text and files give
 * the same jobs. What is wrong becomes a complaint. Errors: E_INPUT after a complaint that ends the
 * reading; E_ENVIRONMENT. */
int sweep_read(const char *text, size_t bytes, struct job_builder *builder, struct error *err);

#endif
