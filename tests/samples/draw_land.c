/* The harbour's land: a village slope on the left, a rocky point on the right, mountains behind. */
#include "draw_scene.h"

static void field_init(struct field *field, float (*height)(float x, float z))
{
    size_t cells = (size_t)field->nx * (size_t)field->nz;
    field->height = alloc_or_die(cells, sizeof *field->height);
    field->light = alloc_or_die(cells, sizeof *field->light);
    for (int j = 0; j < field->nz; j++)
        for (int i = 0; i < field->nx; i++) {
            float x = field->x0 + field->step * (float)i, z = field->z0 + field->step * (float)j;
            float y = height(x, z);
            field->height[(ptrdiff_t)j * field->nx + i] = y;
            field->top = fmaxf(field->top, y);
        }
}

static float bell(float x, float width) { return expf(-x * x / (width * width)); }

/* Left shore: a quay, then a slope of houses, then a wooded hill. `inland` is metres from the
 * water. */
static float village_slope(float x, float z)
{
    float shore = 104 + 0.012f * (x + 75) * (x + 75) + 5 * noise2(x * 0.05f, 0, 3);
    float inland = z - shore;
    float hill = 34 * smoothf(6, 120, inland) + 30 * smoothf(90, 190, inland);
    hill *= 0.55f + 0.45f * smoothf(10, -60, x);
    float rough = 3.5f * fbm2(x * 0.035f, z * 0.035f, 5, 7) * smoothf(12, 70, inland);
    float end = smoothf(18, -22, x + 0.12f * (z - 160));
    return mixf(-6, fminf(1.7f, -4 + 2.4f * (inland + 4)) + hill + rough, end);
}

/* Right: a low rocky island-like point that carries the lighthouse. */
static float rocky_point(float x, float z)
{
    float dx = (x - 47) / 33, dz = (z - 108) / 21;
    float r = sqrtf(dx * dx + dz * dz) + 0.26f * fbm2(x * 0.06f, z * 0.06f, 3, 17);
    float crags = 8.0f * (ridge2(x * 0.05f, z * 0.05f, 3, 19) - 0.35f) +
                  2.6f * fbm2(x * 0.17f, z * 0.17f, 4, 20);
    float body = 9.5f * smoothf(1.0f, 0.42f, r) + 3.2f * smoothf(0.9f, 0.1f, (x - 62) * -0.04f);
    float flat = smoothf(0.55f, 0.25f, r);
    return mixf(-5, body + crags * (1 - 0.8f * flat), smoothf(1.18f, 0.86f, r));
}

/* Scattered rocks awash in front of the point. */
static float skerries(float x, float z)
{
    float dx = (x - 25) / 10, dz = (z - 80) / 6;
    return -2.6f + 3.4f * bell(sqrtf(dx * dx + dz * dz), 0.9f) +
           2.6f * fbm2(x * 0.2f, z * 0.2f, 4, 23);
}

static float near_height(float x, float z)
{
    float y = fmaxf(rocky_point(x, z), skerries(x, z));
    return fmaxf(y, village_slope(x, z));
}

static float far_height(float x, float z)
{
    float bearing = x / z;
    /* Wooded foothills, lower where the fjord opens. */
    float hills = 250 * bell(z - 1250, 420) *
                  (0.55f + 0.8f * fbm2(x * 0.0022f, z * 0.0022f, 4, 41)) *
                  (0.35f + smoothf(0.02f, 0.40f, fabsf(bearing - 0.03f)));
    /* Two ranges of peaks. */
    float middle = 640 * bell(z - 2700, 800) * ridge2(x * 0.00062f + 0.3f, z * 0.00062f, 8, 51) *
                   1.5f * (0.35f + 0.9f * smoothf(0.0f, 0.42f, fabsf(bearing - 0.02f)));
    float high = 1650 * bell(z - 5600, 1100) * ridge2(x * 0.00036f + 4.3f, z * 0.00036f, 9, 61) *
                 1.35f *
                 (0.5f + 0.7f * bell(bearing - 0.21f, 0.2f) + 0.45f * bell(bearing + 0.33f, 0.2f));
    return fmaxf(fmaxf(hills, middle), high) - 26;
}

void build_land(struct scene *scene)
{
    scene->near = (struct field){
        .nx = 760, .nz = 560, .x0 = -230, .z0 = 40, .step = 0.55f, .material = MAT_NEAR_LAND};
    scene->far = (struct field){
        .nx = 860, .nz = 660, .x0 = -4500, .z0 = 700, .step = 10.5f, .material = MAT_FAR_LAND};
    field_init(&scene->near, near_height);
    field_init(&scene->far, far_height);
    field_bake(&scene->near, scene->sun);
    field_bake(&scene->far, scene->sun);
}
