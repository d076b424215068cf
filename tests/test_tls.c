/* HTTPS: whom a request trusts. The server is that of the openssl command, with a certificate made for the test. */
#define _GNU_SOURCE
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <plait/http.h>

#include "site.h"

struct tls_server {
        char directory[64];
        char url[64];
        pid_t pid;
        int out;
};

static void in_directory(const struct tls_server *server, char *ret, size_t size, const char *name)
{
        snprintf(ret, size, "%s/%s", server->directory, name);
}

static pid_t run(const struct tls_server *server, char *const *words, int out)
{
        pid_t pid = fork();

        if (pid)
                return pid;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(out, 1);
        dup2(out, 2);
        if (chdir(server->directory) == 0)
                execvp(words[0], words);
        _exit(127);
}

/* "ACCEPT 127.0.0.1:40001" */
static int port_of(int out)
{
        char text[512] = "", *found;
        size_t have = 0;
        ssize_t n;

        while (have < sizeof text - 1 && (n = read(out, text + have, sizeof text - 1 - have)) > 0) {
                have += (size_t)n;
                text[have] = 0;
                found = strstr(text, "ACCEPT");
                if (found && strchr(found, '\n'))
                        return atoi(strrchr(found, ':') + 1);
        }
        return 0;
}

/* False: the command is not there. */
static bool server_start(struct tls_server *server, char *name)
{
        char *make[] = {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key",
                        "-out", "cert", "-days", "2", "-subj", "/CN=test", "-addext", name, NULL};
        char *serve[] = {"openssl", "s_server", "-accept", "127.0.0.1:0", "-key", "key", "-cert", "cert", "-www", NULL};
        int status, nothing = open("/dev/null", O_WRONLY | O_CLOEXEC), pipes[2];

        strcpy(server->directory, "/tmp/plait-tls-XXXXXX");
        CHECK(mkdtemp(server->directory));
        CHECK(waitpid(run(server, make, nothing), &status, 0) > 0);
        close(nothing);
        if (status)
                return false;
        CHECK(pipe2(pipes, O_CLOEXEC) == 0);
        server->pid = run(server, serve, pipes[1]);
        close(pipes[1]);
        server->out = pipes[0];
        snprintf(server->url, sizeof server->url, "https://127.0.0.1:%d/", port_of(server->out));
        return true;
}

static void server_end(struct tls_server *server)
{
        static const char *const names[] = {"key", "cert", ""};
        char path[128];

        if (server->pid) {
                kill(server->pid, SIGKILL);
                waitpid(server->pid, NULL, 0);
                close(server->out);
        }
        for (int i = 0; i < 3; i++) {
                in_directory(server, path, sizeof path, names[i]);
                remove(path);
        }
}

struct ask {
        const char *url;
        int rc;
        const char *word;                       /* of the error */
};

static int fetch(void *arg)
{
        const struct ask *ask = arg;
        plait_response response;
        int rc = plait_http_get(ask->url, &response);

        if (rc != ask->rc)
                test_fail(__FILE__, __LINE__, "%d: %s", rc, response.error);
        CHECK(!ask->word || strstr(response.error, ask->word));
        CHECK(rc < 0 || (response.status == 200 && strstr(response.body, "s_server")));
        plait_response_done(&response);
        return 0;
}

static void expect(const char *url, int rc, const char *word)
{
        struct ask ask = {url, rc, word};

        on_a_thread(fetch, &ask, 0);
}

TEST(a_certificate_that_nobody_vouches_for_is_refused, .seconds = 60)
{
        struct tls_server server = {.pid = 0};

        unsetenv("SSL_CERT_FILE");
        if (!server_start(&server, "subjectAltName=IP:127.0.0.1")) {
                server_end(&server);
                SKIP("there is no openssl command");
        }
        expect(server.url, -EKEYREJECTED, "certificate");
        server_end(&server);
}

TEST(a_certificate_that_was_given_is_trusted, .seconds = 60)
{
        struct tls_server server = {.pid = 0};
        char path[128];

        if (!server_start(&server, "subjectAltName=IP:127.0.0.1")) {
                server_end(&server);
                SKIP("there is no openssl command");
        }
        in_directory(&server, path, sizeof path, "cert");
        setenv("SSL_CERT_FILE", path, 1);
        for (int i = 0; i < 3; i++)
                expect(server.url, 0, NULL);
        unsetenv("SSL_CERT_FILE");
        server_end(&server);
}

TEST(a_certificate_of_another_host_is_refused, .seconds = 60)
{
        struct tls_server server = {.pid = 0};
        char path[128];

        if (!server_start(&server, "subjectAltName=DNS:other.example")) {
                server_end(&server);
                SKIP("there is no openssl command");
        }
        in_directory(&server, path, sizeof path, "cert");
        setenv("SSL_CERT_FILE", path, 1);
        expect(server.url, -EKEYREJECTED, "127.0.0.1");
        unsetenv("SSL_CERT_FILE");
        server_end(&server);
}

TEST(a_server_without_tls_is_refused)
{
        struct raw_site site = {.again = false};
        char url[80];

        raw_site_open(&site, "HTTP/1.1 200 OK\r\n\r\n", 19);
        snprintf(url, sizeof url, "https%s", site.url + 4);
        expect(url, -EKEYREJECTED, url);
        raw_site_close(&site);
}
