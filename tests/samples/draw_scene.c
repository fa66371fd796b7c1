/* See draw_scene.h. */
#include "draw_scene.h"

#include <stdlib.h>
#include <string.h>

/* --- building --- */

/* Room for one more of `count` things of `bytes` each. */
static void *grown(void *old, int count, int *room, size_t bytes)
{
    if (count < *room)
        return old;
    *room = 2 * count + 64;
    char *bigger = alloc_or_die((size_t)*room, bytes);
    if (old)
        memcpy(bigger, old, (size_t)count * bytes);
    free(old);
    return bigger;
}

void scene_add(struct scene *scene, struct shape shape)
{
    scene->shapes = grown(scene->shapes, scene->n_shapes, &scene->shape_room, sizeof shape);
    scene->shapes[scene->n_shapes++] = shape;
}

static vec3 low_of(vec3 a, vec3 b) { return v3(fminf(a.x, b.x), fminf(a.y, b.y), fminf(a.z, b.z)); }

static vec3 high_of(vec3 a, vec3 b)
{
    return v3(fmaxf(a.x, b.x), fmaxf(a.y, b.y), fmaxf(a.z, b.z));
}

static void shape_bounds(const struct shape *s, vec3 *low, vec3 *high)
{
    if (s->kind == SHAPE_TRIANGLE) {
        vec3 b = v3_add(s->a, s->b), c = v3_add(s->a, s->c);
        *low = low_of(s->a, low_of(b, c));
        *high = high_of(s->a, high_of(b, c));
    } else if (s->kind == SHAPE_BLOB) {
        *low = v3_sub(s->a, s->b);
        *high = v3_add(s->a, s->b);
    } else {
        float r = fmaxf(s->b.x, s->b.y);
        *low = v3_sub(s->a, v3(r, 0, r));
        *high = v3_add(s->a, v3(r, s->b.z, r));
    }
}

void scene_close_group(struct scene *scene)
{
    int first = scene->n_groups ? scene->groups[scene->n_groups - 1].last : 0;
    vec3 low = v3(1e9f, 1e9f, 1e9f), high = v3_scale(low, -1);
    for (int i = first; i < scene->n_shapes; i++) {
        vec3 l, h;
        shape_bounds(&scene->shapes[i], &l, &h);
        low = low_of(low, l);
        high = high_of(high, h);
    }
    vec3 diagonal = v3_sub(high, low);
    struct bound group = {
        .centre = v3_mix(low, high, 0.5f),
        .radius = 0.5f * sqrtf(v3_dot(diagonal, diagonal)),
        .first = first,
        .last = scene->n_shapes,
    };
    scene->groups = grown(scene->groups, scene->n_groups, &scene->group_room, sizeof group);
    scene->groups[scene->n_groups++] = group;
}

void scene_close_cluster(struct scene *scene)
{
    int first = scene->n_clusters ? scene->clusters[scene->n_clusters - 1].last : 0;
    struct bound cluster = {.first = first, .last = scene->n_groups};
    if (first == scene->n_groups)
        return;
    for (int i = first; i < cluster.last; i++)
        cluster.centre =
            v3_along(cluster.centre, scene->groups[i].centre, 1 / (float)(cluster.last - first));
    for (int i = first; i < cluster.last; i++) {
        vec3 off = v3_sub(scene->groups[i].centre, cluster.centre);
        cluster.radius = fmaxf(cluster.radius, sqrtf(v3_dot(off, off)) + scene->groups[i].radius);
    }
    scene->clusters =
        grown(scene->clusters, scene->n_clusters, &scene->cluster_room, sizeof cluster);
    scene->clusters[scene->n_clusters++] = cluster;
}

void scene_release(struct scene *scene)
{
    free(scene->shapes);
    free(scene->groups);
    free(scene->clusters);
    free(scene->near.height);
    free(scene->near.light);
    free(scene->far.height);
    free(scene->far.light);
}

/* --- shapes --- */

static int hit_triangle(const struct shape *s, const struct ray *ray, struct hit *hit)
{
    vec3 p = v3_cross(ray->dir, s->c);
    float det = v3_dot(s->b, p);
    if (fabsf(det) < 1e-9f)
        return 0;
    vec3 from = v3_sub(ray->origin, s->a);
    float u = v3_dot(from, p) / det;
    if (u < 0 || u > 1)
        return 0;
    vec3 q = v3_cross(from, s->b);
    float v = v3_dot(ray->dir, q) / det, t = v3_dot(s->c, q) / det;
    if (v < 0 || u + v > 1 || t < 1e-3f || t >= hit->t)
        return 0;
    vec3 normal = v3_unit(v3_cross(s->b, s->c));
    hit->normal = v3_dot(normal, ray->dir) > 0 ? v3_scale(normal, -1) : normal;
    hit->t = t;
    return 1;
}

static int hit_tube_top(const struct shape *s, const struct ray *ray, struct hit *hit)
{
    float t = (s->a.y + s->b.z - ray->origin.y) / ray->dir.y;
    if (!(t > 1e-3f && t < hit->t))
        return 0;
    vec3 at = v3_along(ray->origin, ray->dir, t);
    float dx = at.x - s->a.x, dz = at.z - s->a.z;
    if (dx * dx + dz * dz > s->b.y * s->b.y)
        return 0;
    hit->t = t;
    hit->normal = v3(0, ray->dir.y > 0 ? -1.0f : 1.0f, 0);
    return 1;
}

/* Side of a cone frustum: radius(y) = r0 + slope * y. */
static int hit_tube_side(const struct shape *s, const struct ray *ray, struct hit *hit)
{
    float slope = (s->b.y - s->b.x) / s->b.z;
    vec3 o = v3_sub(ray->origin, s->a), d = ray->dir;
    float r = s->b.x + slope * o.y, dr = slope * d.y;
    float a = d.x * d.x + d.z * d.z - dr * dr;
    float b = o.x * d.x + o.z * d.z - r * dr;
    float c = o.x * o.x + o.z * o.z - r * r;
    float root = b * b - a * c;
    if (root < 0 || fabsf(a) < 1e-9f)
        return 0;
    float t = (-b - sqrtf(root)) / a, y = o.y + t * d.y;
    if (t < 1e-3f || t >= hit->t || y < 0 || y > s->b.z)
        return 0;
    hit->t = t;
    vec3 out = v3_unit(v3(o.x + t * d.x, 0, o.z + t * d.z));
    hit->normal = v3_unit(v3(out.x, -slope, out.z));
    return 1;
}

static int hit_blob(const struct shape *s, const struct ray *ray, struct hit *hit)
{
    vec3 shrink = v3(1 / s->b.x, 1 / s->b.y, 1 / s->b.z);
    vec3 o = v3_mul(v3_sub(ray->origin, s->a), shrink), d = v3_mul(ray->dir, shrink);
    float a = v3_dot(d, d), b = v3_dot(o, d), root = b * b - a * (v3_dot(o, o) - 1);
    if (root < 0)
        return 0;
    float t = (-b - sqrtf(root)) / a;
    if (t < 1e-3f || t >= hit->t)
        return 0;
    hit->t = t;
    hit->normal = v3_unit(v3_mul(v3_along(o, d, t), shrink));
    return 1;
}

static int hit_shape(const struct shape *s, const struct ray *ray, struct hit *hit)
{
    switch (s->kind) {
    case SHAPE_TRIANGLE:
        return hit_triangle(s, ray, hit);
    case SHAPE_TUBE:
        return hit_tube_side(s, ray, hit) | hit_tube_top(s, ray, hit);
    case SHAPE_BLOB:
        return hit_blob(s, ray, hit);
    }
    return 0;
}

static int meets(const struct bound *bound, const struct ray *ray, float farthest)
{
    vec3 to = v3_sub(bound->centre, ray->origin);
    float along = v3_dot(to, ray->dir), off = v3_dot(to, to) - along * along;
    return off < bound->radius * bound->radius && along > -bound->radius &&
           along - bound->radius < farthest;
}

static int hit_group(const struct scene *scene, const struct bound *group, const struct ray *ray,
                     struct hit *hit)
{
    int found = 0;
    for (int i = group->first; i < group->last; i++)
        if (hit_shape(&scene->shapes[i], ray, hit)) {
            hit->surface = scene->shapes[i].surface;
            found = 1;
        }
    return found;
}

static int hit_shapes(const struct scene *scene, const struct ray *ray, struct hit *hit)
{
    int found = 0;
    for (int c = 0; c < scene->n_clusters; c++) {
        const struct bound *cluster = &scene->clusters[c];
        if (!meets(cluster, ray, hit->t))
            continue;
        for (int g = cluster->first; g < cluster->last; g++)
            if (meets(&scene->groups[g], ray, hit->t))
                found |= hit_group(scene, &scene->groups[g], ray, hit);
    }
    return found;
}

float scene_sunlight(const struct scene *scene, vec3 point)
{
    struct ray ray = {v3_along(point, scene->sun, 0.05f), scene->sun};
    struct hit hit = {.t = 400};
    return hit_shapes(scene, &ray, &hit) ? 0 : 1;
}

/* --- land --- */

static float sample(const struct field *field, const float *values, float x, float z, float outside)
{
    float u = (x - field->x0) / field->step, v = (z - field->z0) / field->step;
    if (!(u >= 0 && v >= 0 && u < (float)(field->nx - 1) && v < (float)(field->nz - 1)))
        return outside;
    int i = (int)u, j = (int)v;
    const float *row = values + (ptrdiff_t)j * field->nx + i;
    u -= (float)i;
    v -= (float)j;
    return mixf(mixf(row[0], row[1], u), mixf(row[field->nx], row[field->nx + 1], u), v);
}

float field_height(const struct field *field, float x, float z)
{
    return sample(field, field->height, x, z, -20);
}

float field_light(const struct field *field, float x, float z)
{
    return sample(field, field->light, x, z, 1);
}

/* Light lost when a ray towards the sun passes under or close above the land. */
static float light_at(const struct field *field, float x, float z, vec3 sun)
{
    float y = field_height(field, x, z) + 0.3f * field->step, light = 1;
    for (float t = field->step; t < 160 * field->step && light > 0; t *= 1.12f) {
        float height = field_height(field, x + sun.x * t, z + sun.z * t);
        light = fminf(light, 0.5f + 9 * (y + sun.y * t - height) / t);
        if (y + sun.y * t > field->top)
            break;
    }
    return clampf(light, 0, 1);
}

void field_bake(struct field *field, vec3 sun)
{
    for (int j = 0; j < field->nz; j++)
        for (int i = 0; i < field->nx; i++) {
            float x = field->x0 + field->step * (float)i, z = field->z0 + field->step * (float)j;
            ptrdiff_t at = (ptrdiff_t)j * field->nx + i;
            field->light[at] = field->height[at] < 0 ? 1 : light_at(field, x, z, sun);
        }
}

static vec3 field_normal(const struct field *field, float x, float z)
{
    float e = field->step;
    return v3_unit(v3(field_height(field, x - e, z) - field_height(field, x + e, z), 2 * e,
                      field_height(field, x, z - e) - field_height(field, x, z + e)));
}

static int march(const struct field *field, const struct ray *ray, struct hit *hit)
{
    float end = field->z0 + field->step * (float)(field->nz - 1);
    if (ray->dir.z <= 1e-4f)
        return 0;
    float t = fmaxf(0.5f, (field->z0 - ray->origin.z) / ray->dir.z);
    float last = fminf(hit->t, (end - ray->origin.z) / ray->dir.z), before = t;
    while (t < last) {
        vec3 at = v3_along(ray->origin, ray->dir, t);
        if (at.y > field->top && ray->dir.y >= 0)
            return 0;
        float gap = at.y - field_height(field, at.x, at.z);
        if (gap < 0) {
            for (int i = 0; i < 7; i++) {
                float middle = 0.5f * (before + t);
                vec3 m = v3_along(ray->origin, ray->dir, middle);
                *(m.y < field_height(field, m.x, m.z) ? &t : &before) = middle;
            }
            at = v3_along(ray->origin, ray->dir, t);
            *hit = (struct hit){t, field_normal(field, at.x, at.z), {field->material, {1, 1, 1}}};
            return 1;
        }
        before = t;
        t += fmaxf(0.45f * gap, 0.004f * t);
    }
    return 0;
}

int scene_trace(const struct scene *scene, const struct ray *ray, struct hit *hit)
{
    int found = hit_shapes(scene, ray, hit);
    found |= march(&scene->near, ray, hit);
    /* The far land lies wholly behind the near one. */
    if (!found)
        found = march(&scene->far, ray, hit);
    return found;
}
