/* Being asked to stop: SIGINT, SIGTERM and SIGUSR1 let the render finish its evaluation and leave
 * its state; a second SIGINT, later than STOP_SAME_PRESS_S, ends it at once. */
#ifndef ATELIER_STOP_H
#define ATELIER_STOP_H

#include <stdbool.h>

#define STOP_SAME_PRESS_S 0.3

/* Checked by: test_of_two_signals_at_a_time_the_second_is_the_same, test_a_second_ctrl_c_ends_it in
 * tests/cmd/test_render_resume.py */
void stop_install(void);
bool stop_requested(void);
/* "SIGINT", or NULL while nobody asked. */
const char *stop_signal(void);

#endif
