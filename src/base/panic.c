#include "base/panic.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/sys.h"

void plait__panic(const char *call, const char *format, ...)
{
        char line[512];
        size_t length;
        va_list arguments;
        int n = snprintf(line, sizeof line, "plait: %s: ", call);

        length = n < 0 ? 0 : (size_t)n;
        va_start(arguments, format);
        if (length < sizeof line)
                vsnprintf(line + length, sizeof line - length - 1, format, arguments);
        va_end(arguments);
        length = strlen(line);
        line[length] = '\n';
        if (plait__sys.write(2, line, length + 1) < 0)
                abort();                                /* nowhere to say it */
        abort();
}
