/* Being asked to stop: SIGINT, SIGTERM and SIGUSR1 let the render finish its evaluation and leave
 * its state; a second SIGINT, later than STOP_SAME_PRESS_S, ends it at once. */
#ifndef ATELIER_STOP_H
#define ATELIER_STOP_H

#include <stdbool.h>

#define STOP_SAME_PRESS_S 0.3

/* Checked by: test_two_signals_at_a_time_are_one_control_c,
 * test_a_second_control_c_does_not_wait_for_the_evaluation in tests/cmd/test_render_resume.py */
void stop_install(void);
bool stop_requested(void);
/* "SIGINT", or NULL while nobody asked. */
const char *stop_signal(void);

#endif
