/* Every parameter, declared once. Included several times with JOB and RUN defined differently.
 *
 * JOB rows say what picture it is: they make up a job's identity and appear in manifests, results
 * and PNG text. RUN rows say how it is made and appear only as flags.
 *
 * row(name, TYPE, default, range, unit, help)
 *   TYPE     PATH TEXT LAYERS: char *; REAL: double; WHOLE: int64_t; CHOICE: int; FLAG: bool
 *   default  as text; NULL: required; PRESET: from the preset
 *   range    ANY, AT_LEAST(x), ABOVE(x), BETWEEN(x, y), ONE_OF("a b c"); WORDS("a b") or a file
 */
/* clang-format off */
JOB(content,            PATH,   NULL,       ANY,             "",      "picture whose content is kept (PNG, JPEG, WebP, TIFF, HEIC, AVIF)")
JOB(style,              PATH,   NULL,       ANY,             "",      "picture whose style is carried over (of the same formats)")
JOB(weights,            TEXT,   "builtin",  WORDS("builtin random"), "",      "VGG-19: builtin (trained), random:SEED (untrained), a published file's name, or a file")
JOB(weights_convention, CHOICE, "auto",     ONE_OF("auto caffe torchvision"), "", "input convention of the weight file, where the file cannot tell")
JOB(preset,             CHOICE, "balanced", ONE_OF("balanced keras gdl gatys johnson"), "", "loss formulas and the defaults that belong to them")
JOB(size,               WHOLE,  "512",      BETWEEN(0, 65535), "px",  "longer side of the picture; 0 = the content image's own size")
JOB(style_scale,        REAL,   "1",        BETWEEN(0.01, 100), "1",  "longer side of the style image, as a multiple of size")
JOB(content_weight,     REAL,   PRESET,     AT_LEAST(0),     "1",     "weight of the content loss")
JOB(style_weight,       REAL,   PRESET,     AT_LEAST(0),     "1",     "weight of the Gram-matrix style loss")
JOB(tv_weight,          REAL,   PRESET,     AT_LEAST(0),     "1",     "weight of the total-variation loss")
JOB(content_layers,     LAYERS, PRESET,     ANY,             "",      "layers of the content loss, as relu4_2 or relu4_2:0.7,relu5_2:0.3")
JOB(style_layers,       LAYERS, PRESET,     ANY,             "",      "layers of the style loss")
JOB(pooling,            CHOICE, PRESET,     ONE_OF("max avg"), "",    "2x2 pooling between the blocks")
JOB(margin,             WHOLE,  PRESET,     BETWEEN(0, 256), "px",    "mirrored surround that is optimised too and cut off at the end")
JOB(init,               TEXT,   PRESET,     WORDS("content style noise"), "",      "start from: content, style, noise, or an image file")
JOB(seed,               WHOLE,  "0",        BETWEEN(0, 2147483647), "", "seed of every random draw of the render")
JOB(optimizer,          CHOICE, "lbfgs",    ONE_OF("lbfgs adam"), "", "how the picture is improved")
JOB(iterations,         WHOLE,  PRESET,     BETWEEN(0, 1000000), "1", "outer iterations; 0 = only evaluate the start")
JOB(maxfun,             WHOLE,  PRESET,     BETWEEN(1, 1000000), "1", "evaluations in an outer iteration (Adam: steps)")
JOB(lbfgs_memory,       WHOLE,  "10",       BETWEEN(1, 1000), "1",    "correction pairs that L-BFGS keeps")
JOB(learning_rate,      REAL,   "2",        ABOVE(0),        "1", "step of Adam, in pixel units of 0..255")
JOB(tolerance,          REAL,   PRESET,     BETWEEN(0, 1),   "1",     "stop when an outer iteration lowers the best loss by less than this fraction; 0 = never")
JOB(precision,          CHOICE, PRESET,     ONE_OF("f32 bf16 auto"), "", "arithmetic of the convolutions")
RUN(output,             PATH,   NULL,       ANY,             "",      "picture to write (.png, .jpg or .tif); the loss history goes beside it (.h5)")
RUN(bits,               CHOICE, "8",        ONE_OF("8 16"),  "",      "bits of a colour in a PNG or TIFF")
RUN(quality,            WHOLE,  "95",       BETWEEN(1, 100), "1",     "quality of a JPEG")
RUN(threads,            WHOLE,  "0",        BETWEEN(0, 4096), "1",    "threads; 0 = one for each processor this process may use")
RUN(save_every,         WHOLE,  "0",        BETWEEN(0, 1000000), "1", "keep a numbered picture every so many outer iterations; 0 = none")
RUN(checkpoint_seconds, REAL,   "30",       AT_LEAST(0),     "s",     "write a checkpoint at most this often")
RUN(fresh,              FLAG,   "no",       ANY,             "",      "start over: ignore a checkpoint, or a finished picture of the same parameters, that is there")
RUN(overwrite,          FLAG,   "no",       ANY,             "",      "replace a finished picture that has other parameters or inputs")
RUN(dry_run,            FLAG,   "no",       ANY,             "",      "check everything, say what would be done, and stop")
RUN(verbose,            FLAG,   "no",       ANY,             "",      "also say which engine computes each convolution")
RUN(quiet,              FLAG,   "no",       ANY,             "",      "no progress, only errors")
/* clang-format on */
