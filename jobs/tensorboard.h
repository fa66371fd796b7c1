/* TensorBoard's event files: TFRecords, each a protobuf message Event. Source: TensorFlow's
 * event.proto, summary.proto and its record writer. */
#ifndef ATELIER_TENSORBOARD_H
#define ATELIER_TENSORBOARD_H

#include <stdint.h>
#include <stdio.h>

/* The record a file begins with. wall_time: seconds since 1970. */
void tensorboard_begin(FILE *to, double wall_time);

/* One point of a curve. tag has at most TAG_MAX bytes. */
enum { TAG_MAX = 100 };
void tensorboard_scalar(FILE *to, double wall_time, int64_t step, const char *tag, float value);

#endif
