/* A small ray tracer's world: triangles, upright tubes and ellipsoids in bounded groups, and land
 * as height fields. x right, y up (the sea is y = 0), z away from the viewer; metres.
 */
#ifndef ATELIER_SAMPLES_DRAW_SCENE_H
#define ATELIER_SAMPLES_DRAW_SCENE_H

#include "draw_canvas.h"

enum material {
    MAT_PLAIN,
    MAT_WOOD,
    MAT_TILES,
    MAT_GLOW,
    MAT_GLASS,
    MAT_BANDS,
    MAT_SAIL,
    MAT_LEAF,
    MAT_NEAR_LAND,
    MAT_FAR_LAND,
};

struct surface {
    enum material material;
    vec3 colour;
};

struct ray {
    vec3 origin, dir; /* dir has length 1 */
};

struct hit {
    float t; /* distance, metres; the caller sets the farthest of interest */
    vec3 normal;
    struct surface surface;
};

enum shape_kind { SHAPE_TRIANGLE, SHAPE_TUBE, SHAPE_BLOB };

/* TRIANGLE: corner a, edges b and c. TUBE: foot a, b = (radius below, radius above, height), closed
 * on top. BLOB: centre a, radii b. */
struct shape {
    enum shape_kind kind;
    vec3 a, b, c;
    struct surface surface;
};

/* Members first .. last - 1, all inside the sphere. A group's members are shapes, a cluster's
 * groups. */
struct bound {
    vec3 centre;
    float radius;
    int first, last;
};

/* A grid of heights and of how much sunlight arrives (0 .. 1). */
struct field {
    int nx, nz;
    float x0, z0, step;
    float *height, *light; /* [nz][nx], owned */
    float top;             /* no height exceeds it */
    enum material material;
};

struct scene {
    struct shape *shapes;
    struct bound *groups, *clusters;
    int n_shapes, n_groups, n_clusters, shape_room, group_room, cluster_room;
    struct field near, far;
    vec3 sun; /* unit, towards the light that shades things */
};

void scene_add(struct scene *scene, struct shape shape);

/* Puts the shapes added since the last group into a new one. */
void scene_close_group(struct scene *scene);

/* Puts the groups closed since the last cluster, if any, into a new one. */
void scene_close_cluster(struct scene *scene);
void scene_release(struct scene *scene);

/* The nearest thing before hit->t; returns whether there is one and then fills `hit`. */
int scene_trace(const struct scene *scene, const struct ray *ray, struct hit *hit);

/* 1 where the sun reaches the point, 0 behind a shape. Land shadows are in the fields. */
float scene_sunlight(const struct scene *scene, vec3 point);

float field_height(const struct field *field, float x, float z);
float field_light(const struct field *field, float x, float z);

/* Fills field->light by marching every cell towards the sun. */
void field_bake(struct field *field, vec3 sun);

/* Builders of the harbour (draw_land.c, draw_things.c). */
void build_land(struct scene *scene);
void build_things(struct scene *scene);

#endif
