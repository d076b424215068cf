#include "runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void runner_run(void (*body)(int index), int index, unsigned seconds, bool own_process, char *ret_how, size_t size)
{
        TTest test = {.name = "test", .fn = body, .file = __FILE__, .line = __LINE__};
        Suite *suite = suite_create("suite");
        TCase *tcase = tcase_create("case");
        SRunner *runner = srunner_create(suite);
        TestResult **results;

        suite_add_tcase(suite, tcase);
        tcase_set_timeout(tcase, seconds);
        tcase_add_loop_test(tcase, &test, index, index + 1);
        srunner_set_fork_status(runner, own_process ? CK_FORK : CK_NOFORK);
        srunner_run_all(runner, CK_SILENT);
        results = srunner_results(runner);
        if (tr_rtype(results[0]) == CK_PASS)
                ret_how[0] = 0;
        else if (strstr(tr_msg(results[0]), "timeout"))
                snprintf(ret_how, size, "timed out after %u s", seconds);
        else
                snprintf(ret_how, size, "%s", tr_msg(results[0]));
        free(results);
        srunner_free(runner);
}
