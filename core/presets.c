/* The presets' defaults. Sources: keras: the Keras example of 2017-2020; gdl: Foster, Generative
 * Deep Learning, 1st edition, chapter 5; gatys: Gatys et al. 2015 with the weights of their later
 * code; johnson: the defaults of jcjohnson/neural-style; balanced: ours, tuned by eye for trained
 * networks. Its margin keeps what zero padding does at the borders out of the picture. */
#include "params.h"

#include "network_name.h"

/* clang-format off */
#define ALL(text) {text, text, text, text, text}

static const char *const defaults[PARAM_COUNT][PRESETS] = {
    /*                         balanced   keras      gdl        gatys      johnson */
    [PARAM_content_weight] = {"0.1",     "0.025",   "1",       "1",       "5"},
    [PARAM_style_weight]   = {"1",       "1",       "100",     "1000",    "100"},
    [PARAM_tv_weight]      = {"0.5",     "1",       "20",      "0",       "1e-3"},
    [PARAM_content_layers] = {"relu3_1", "relu5_2", "relu5_2", "relu4_2", "relu4_2"},
    [PARAM_style_layers]   = ALL("relu1_1,relu2_1,relu3_1,relu4_1,relu5_1"),
    [PARAM_pooling]        = {"avg",     "max",     "max",     "avg",     "max"},
    [PARAM_margin]         = {"8",       "0",       "0",       "0",       "0"},
    [PARAM_init]           = {"content", "content", "content", "content", "noise"},
    [PARAM_iterations]     = {"4",       "1000",    "1000",    "20",      "20"},
    [PARAM_maxfun]         = {"50",      "20",      "20",      "50",      "50"},
    [PARAM_tolerance]      = {"1e-4",    "0",       "0",       "1e-4",    "1e-4"},
    [PARAM_precision]      = {"auto",    "f32",     "f32",     "f32",     "f32"},
};

/* What `balanced` sets instead for untrained filters, which answer to brightness most of all. Never
 * change these: jobs that were made before there was a trained network are known by them. */
static const char *const untrained[PARAM_COUNT] = {
    [PARAM_content_weight] = "0.002",
    [PARAM_tv_weight]      = "0.05",
    [PARAM_content_layers] = "relu4_2",
    [PARAM_iterations]     = "20",
    [PARAM_maxfun]         = "50",
    [PARAM_tolerance]      = "1e-4",
    [PARAM_precision]      = "f32",
};
/* clang-format on */

const char *preset_default(int preset, enum param_id id, const char *weights)
{
    bool instead = preset == PRESET_BALANCED && untrained[id] && network_is_random(weights);
    return instead ? untrained[id] : defaults[id][preset];
}
