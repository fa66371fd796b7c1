/* What a render will take, before it starts: seconds and bytes from its parameters and its plan.
 *
 *   seconds = start + evaluations * evaluation + outer iterations * outer
 *   start        program, weights, images, targets (forward passes), writing the results
 *   evaluation   every convolution forward and backward, Gram matrices of the style layers, content
 *                loss, total variation; the optimiser's vectors
 *
 * Each from the calibration of this kind of machine, interpolated by the size of each layer's map,
 * then times a factor learned from renders that have finished.
 *
 * A render that stops early by `tolerance` is predicted at its whole budget. `auto` precision is
 * predicted as bfloat16. */
#ifndef ATELIER_COST_H
#define ATELIER_COST_H

#include "calibration.h"
#include "job_list.h"

struct cost {
    double seconds;
    uint64_t bytes;
    double start_seconds; /* of them before the first evaluation and after the last */
    double evaluations;   /* at the whole budget */
};

struct cost_model {
    struct calibration calibration;
    double seconds_factor[3], bytes_factor; /* by PRECISION_*; measured / predicted, 1 at first */
    int learned[3];                         /* renders that the factors come from */
};

/* A model without experience. */
void cost_model_init(struct cost_model *model, const struct calibration *calibration);

/* A model for so many threads a render out of one that was calibrated with fewer: what runs in
 * parallel gets faster in proportion, but for a tenth lost at each doubling. */
void cost_model_threads(struct cost_model *model, int threads);

/* Never fails: a precision that was not measured is taken as f32. */
struct cost cost_of(const struct cost_model *model, const struct params *params,
                    const struct plan *plan);
struct cost cost_predict(const struct cost_model *model, const struct job *job);

/* A render that has finished: what it took, without its start, for so many evaluations. */
struct cost_observation {
    int precision;
    double evaluations, seconds;        /* optimising */
    double predicted;                   /* seconds for as many evaluations, by the model as it is */
    double predicted_bytes, peak_bytes; /* 0: not known */
};
/* Sets the model's factors to the medians of measured / predicted, drawn towards 1 where there are
 * few. Observations whose ratio is no number are left out. Order does not matter. */
void cost_model_learn(struct cost_model *model, const struct cost_observation *observations,
                      size_t count);

/* Seconds of optimising alone that the model expects of so many evaluations. */
double cost_of_evaluations(const struct cost_model *model, const struct params *params,
                           const struct plan *plan, double evaluations);

/* Gradients that L-BFGS works through in `steps` steps, in searches of at most `most`: the first
 * step's one, the second's two, ... */
double cost_gradients(double steps, double most);

/* Seconds until all is done when `workers` renders go on at once, the longest first, each worker
 * taking the next. seconds is sorted descending on the way. */
double cost_makespan(double *seconds, size_t count, size_t workers);

#endif
