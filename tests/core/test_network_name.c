/* What `weights` names, by its spelling. */
#include "check.h"
#include "network_name.h"

static void network_name_parses_its_seed(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int status;
        enum network_kind kind;
        uint64_t seed;
    } cases[] = {
        {"builtin", 0, NETWORK_BUILTIN, 0},
        {"builtin:0", 0, NETWORK_RANDOM, 0},
        {"builtin:007", 0, NETWORK_RANDOM, 7},
        {"random", 0, NETWORK_RANDOM, 0},
        {"random:0", 0, NETWORK_RANDOM, 0},
        {"random:18446744073709551615", 0, NETWORK_RANDOM, UINT64_MAX},
        {"random:18446744073709551616", E_INPUT, NETWORK_FILE, 0},
        {"random:", E_INPUT, NETWORK_FILE, 0},
        {"builtin:", E_INPUT, NETWORK_FILE, 0},
        {"random:x", E_INPUT, NETWORK_FILE, 0},
        {"random:-1", E_INPUT, NETWORK_FILE, 0},
        {"random:+1", E_INPUT, NETWORK_FILE, 0},
        {"random: 1", E_INPUT, NETWORK_FILE, 0},
        {"random:1.5", E_INPUT, NETWORK_FILE, 0},
        {"builtins", 0, NETWORK_FILE, 0},
        {"randomly", 0, NETWORK_FILE, 0},
        {"builtin.h5", 0, NETWORK_FILE, 0},
        {"./builtin", 0, NETWORK_FILE, 0},
        {"./random:1", 0, NETWORK_FILE, 0},
        {"", 0, NETWORK_FILE, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum network_kind kind = (enum network_kind)99;
        uint64_t seed = 99;
        struct error err = {0};
        int status = network_name_parse(cases[i].name, &kind, &seed, &err);
        print_message("%s: %s\n", cases[i].name, err.message);
        assert_int_equal(status, cases[i].status);
        if (status == 0) {
            assert_int_equal(kind, cases[i].kind);
            assert_true(seed == cases[i].seed);
        } else {
            assert_non_null(strstr(err.message, cases[i].name));
            assert_true(seed == 99 && (int)kind == 99);
        }
        assert_int_equal(network_is_random(cases[i].name), cases[i].kind == NETWORK_RANDOM);
    }
    assert_false(network_is_random(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(network_name_parses_its_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
