/* jobs/axes and jobs/sheet_layout: which parameters lie where on a contact sheet. */
#include "store_fixture.h"

#include "axes.h"
#include "sheet_layout.h"

static struct store store;
static struct runs runs;
static struct axes axes;

static int make(void **state)
{
    runs = (struct runs){0};
    axes = (struct axes){0};
    return folder_make(state) || store_create(in_folder("store"), &store, NULL);
}

static int unmake(void **state)
{
    axes_release(&axes);
    runs_release(&runs);
    store_release(&store);
    return folder_remove(state);
}

/* Writes a manifest of nothing but jobs that wait: the given columns, then a row for each call. */
static char *manifest;
static size_t manifest_size;
static FILE *manifest_stream;
static int manifest_rows;

static void begin(const char *columns)
{
    manifest_stream = open_memstream(&manifest, &manifest_size);
    manifest_rows = 0;
    fprintf(manifest_stream, "id,%s\n", columns);
}

__attribute__((format(printf, 1, 2))) static void row(const char *format, ...)
{
    va_list arguments;
    fprintf(manifest_stream, "%016x,", ++manifest_rows);
    va_start(arguments, format);
    vfprintf(manifest_stream, format, arguments);
    va_end(arguments);
    fputc('\n', manifest_stream);
}

static void end(void)
{
    struct error err = {0};
    fclose(manifest_stream);
    put_manifest(&store, manifest);
    free(manifest);
    if (runs_read(store.folder, &runs, &err) != 0)
        print_error("%s\n", err.message);
    assert_int_equal(err.code, 0);
}

static int choose(const char *rows, const char *columns, struct error *err)
{
    axes_release(&axes);
    return axes_choose(&runs, &(struct axes_wish){.rows = rows, .columns = columns}, &axes, err);
}

static const char *name_of(int axis)
{
    return axis == AXIS_NONE ? "none" : axes.list[axis].column->name;
}

static void fill_grid(void)
{
    begin("content,style,style_weight,tv_weight");
    for (int content = 0; content < 2; content++)
        for (int style = 0; style < 4; style++)
            for (int weight = 4; weight >= 0; weight--)
                for (int tv = 1; tv <= 2; tv++)
                    row("/c/%d.jpg,/s/%d.jpg,%d,%d", content, style, weight, tv);
    end();
}

static void most_numbers_go_across_and_most_others_down(void **state)
{
    (void)state;
    fill_grid();
    assert_int_equal(choose(NULL, NULL, NULL), 0);
    assert_int_equal(axes.count, 4);
    assert_string_equal(name_of(axes.columns), "style_weight");
    assert_string_equal(name_of(axes.rows), "style");
    assert_string_equal(name_of(axes.colour), "style_weight");
}

static void numbers_ascend_and_every_run_knows_its_value(void **state)
{
    (void)state;
    fill_grid();
    assert_int_equal(choose(NULL, NULL, NULL), 0);
    const struct axis *weight = &axes.list[axes.columns];
    assert_int_equal(weight->values.count, 5);
    for (size_t value = 0; value < 5; value++) {
        assert_true(weight->numbers[value] == (double)value);
        assert_int_equal(weight->values.runs[value], 16);
    }
    for (size_t run = 0; run < runs.count; run++)
        assert_true(weight->numbers[weight->values.of_run[run]] == weight->column->numbers[run]);
    const struct axis *style = &axes.list[axes.rows];
    for (size_t run = 0; run < runs.count; run++) {
        size_t example = style->values.example[style->values.of_run[run]];
        assert_string_equal(style->column->texts[example], style->column->texts[run]);
    }
}

static void wishes_are_followed_or_refused(void **state)
{
    (void)state;
    struct error err = {0};
    fill_grid();
    assert_int_equal(choose("content", NULL, NULL), 0);
    assert_string_equal(name_of(axes.rows), "content");
    assert_string_equal(name_of(axes.columns), "style_weight");
    assert_int_equal(choose("style-weight", NULL, NULL), 0);
    assert_string_equal(name_of(axes.rows), "style_weight");
    assert_string_equal(name_of(axes.columns), "tv_weight");
    assert_int_equal(choose("none", "none", NULL), 0);
    assert_string_equal(name_of(axes.rows), "none");
    assert_int_equal(choose("size", NULL, &err), E_INPUT);
    assert_string_equal(err.message, "'size' does not vary in this sweep");
    assert_int_equal(choose("stile", NULL, &err), E_INPUT);
    assert_non_null(strstr(err.message, "nearest: 'style'"));
    assert_int_equal(choose("style", "style", &err), E_INPUT);
}

static void one_run_has_no_axes(void **state)
{
    (void)state;
    begin("content,style");
    row("/c.jpg,/s.jpg");
    end();
    assert_int_equal(choose(NULL, NULL, NULL), 0);
    assert_int_equal(axes.count, 0);
    assert_int_equal(axes.rows, AXIS_NONE);
    assert_int_equal(axes.columns, AXIS_NONE);
    assert_int_equal(axes.colour, AXIS_NONE);
}

static void values_that_nearly_all_differ_are_no_axis(void **state)
{
    (void)state;
    begin("content,style,tv_weight");
    for (int i = 0; i < 30; i++)
        row("/c.jpg,/s/%d.jpg,0.%03d", i % 2, 7 * i + 1);
    end();
    assert_int_equal(choose(NULL, NULL, NULL), 0);
    assert_int_equal(axes.count, 2);
    assert_string_equal(name_of(axes.columns), "style");
    assert_string_equal(name_of(axes.rows), "none");
}

static void what_the_preset_sets_is_no_axis_beside_it(void **state)
{
    (void)state;
    static const char *const presets[] = {"balanced", "keras", "gatys"};
    begin("content,style,preset,style_weight");
    for (int i = 0; i < 6; i++)
        row("/c.jpg,/s.jpg,%s,%s", presets[i % 3], i < 3 ? "5" : "7");
    end();
    assert_int_equal(choose(NULL, NULL, NULL), 0);
    assert_int_equal(axes.count, 2);
    assert_string_equal(axes.list[0].column->name, "preset");
    assert_string_equal(axes.list[1].column->name, "style_weight");
    assert_true(axes_follows_preset(&runs, PARAM_content_weight));
    assert_false(axes_follows_preset(&runs, PARAM_style_weight));
}

static void labels_are_as_short_as_they_can_be_told_apart(void **state)
{
    (void)state;
    begin("content,style,style_weight");
    row("/photos/a/x.jpg,/styles/one.jpg,0.333333333");
    row("/photos/b/x.jpg,/styles/two.jpg,1000000");
    end();
    assert_int_equal(choose(NULL, NULL, NULL), 0);
    assert_string_equal(axes.list[0].labels[0], "a/x.jpg");
    assert_string_equal(axes.list[0].labels[1], "b/x.jpg");
    assert_string_equal(axes.list[1].labels[1], "two.jpg");
    assert_string_equal(axes.list[2].labels[0], "0.333");
    assert_string_equal(axes.list[2].labels[1], "1e+06");
}

/* Places -------------------------------------------------------------------------------------- */

static void lay_out(struct sheet_layout *layout)
{
    struct error err = {0};
    if (sheet_layout_make(&runs, &axes, layout, &err) != 0)
        print_error("%s\n", err.message);
    assert_int_equal(err.code, 0);
}

/* Every cell lies within the sheet, and no two overlap. */
static void check_places(const struct sheet_layout *layout)
{
    for (size_t a = 0; a < runs.count; a++) {
        const struct sheet_cell *cell = &layout->cell[a];
        assert_true(cell->x >= 0 && cell->x + layout->cell_width <= layout->width);
        assert_true(cell->y >= 0 && cell->y + layout->cell_height <= layout->height);
        for (size_t b = 0; b < a; b++) {
            bool apart = !(fabs(cell->x - layout->cell[b].x) < layout->cell_width) ||
                         !(fabs(cell->y - layout->cell[b].y) < layout->cell_height);
            assert_true(apart);
        }
    }
}

static int labels_of(const struct sheet_layout *layout, enum sheet_style style)
{
    int count = 0;
    for (size_t i = 0; i < layout->label_count; i++)
        count += layout->labels[i].style == style;
    return count;
}

static void a_run_stands_under_its_column_and_beside_its_row(void **state)
{
    (void)state;
    struct sheet_layout layout;
    fill_grid();
    assert_int_equal(choose(NULL, NULL, NULL), 0);
    lay_out(&layout);
    check_places(&layout);
    const struct axis *columns = &axes.list[axes.columns], *rows = &axes.list[axes.rows];
    for (size_t a = 0; a < runs.count; a++)
        for (size_t b = 0; b < a; b++) {
            bool same_x = columns->values.of_run[a] == columns->values.of_run[b];
            assert_true(same_x == (layout.cell[a].x == layout.cell[b].x));
            if (layout.cell[a].y == layout.cell[b].y)
                assert_int_equal(rows->values.of_run[a], rows->values.of_run[b]);
        }
    assert_int_equal(labels_of(&layout, SHEET_HEADING), 4); /* content x tv_weight */
    assert_int_equal(labels_of(&layout, SHEET_ROW), 4 * 4);
    assert_int_equal(labels_of(&layout, SHEET_COLUMN), 4 * 5);
    sheet_layout_release(&layout);
}

static void without_axes_pictures_flow(void **state)
{
    (void)state;
    struct sheet_layout layout;
    fill_grid();
    assert_int_equal(choose("none", "none", NULL), 0);
    lay_out(&layout);
    check_places(&layout);
    assert_int_equal(labels_of(&layout, SHEET_COLUMN), 80);
    sheet_layout_release(&layout);
}

static void a_sheet_that_is_too_large_is_refused(void **state)
{
    (void)state;
    struct error err = {0};
    struct sheet_layout layout;
    begin("content,style,seed");
    for (int i = 0; i < 900; i++)
        row("/c.jpg,/s.jpg,%d", i);
    end();
    assert_int_equal(choose("seed", "none", NULL), 0);
    assert_int_equal(sheet_layout_make(&runs, &axes, &layout, &err), E_INPUT);
    assert_non_null(strstr(err.message, "choose other rows or columns"));
    assert_int_equal(choose("none", "none", NULL), 0);
    lay_out(&layout);
    check_places(&layout);
    sheet_layout_release(&layout);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)
    const struct CMUnitTest tests[] = {
        TEST(most_numbers_go_across_and_most_others_down),
        TEST(numbers_ascend_and_every_run_knows_its_value),
        TEST(wishes_are_followed_or_refused),
        TEST(one_run_has_no_axes),
        TEST(values_that_nearly_all_differ_are_no_axis),
        TEST(what_the_preset_sets_is_no_axis_beside_it),
        TEST(labels_are_as_short_as_they_can_be_told_apart),
        TEST(a_run_stands_under_its_column_and_beside_its_row),
        TEST(without_axes_pictures_flow),
        TEST(a_sheet_that_is_too_large_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
