#!/usr/bin/env python3
"""What a cold start costs: each function's real binary, started as Lambda starts it, answers its golden event once.

A small stand-in for Lambda's runtime API hands out the event and takes the answer; the embedded engine with the fixtures
stands behind it. For each function: size of binary and zip, wall time from start to the first answer, CPU of the process
until then, and its largest resident memory. The median of RUNS runs.

    make coldstart            (after `make build`; FUNCTIONS='get-product place-order' for some)
"""

import http.server, json, os, re, statistics, subprocess, sys, threading, time, urllib.request, zipfile

RUNS = 7
DEFAULT = "get-product list-products set-line quote place-order get-order issue-token confirm-holds relay-stream-orders send-email"
ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        pass  # the function was killed while it waited for its second event


class RuntimeApi(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        state = self.server.state
        if state["handed"]:
            state["done"].wait()  # the function asks for its second event: there is none
            return
        state["handed"] = True
        body = state["event"]
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", "00000000-0000-4000-8000-000000000001")
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() * 1000) + 30000))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:f")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        state = self.server.state
        state["answer"] = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        state["at"] = time.monotonic()
        state["error"] = "/error" in self.path
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()
        state["answered"].set()


def usage(pid):
    """CPU seconds and peak resident KB of a process that still runs."""
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    ticks = os.sysconf("SC_CLK_TCK")
    exact = open(f"/proc/{pid}/schedstat").read().split()[0]
    peak = int(re.search(r"VmHWM:\s+(\d+)", open(f"/proc/{pid}/status").read()).group(1))
    threads = sum(int(open(f"/proc/{pid}/task/{t}/schedstat").read().split()[0]) for t in os.listdir(f"/proc/{pid}/task"))
    return max(int(exact), threads, 0) / 1e9 or (int(fields[11]) + int(fields[12])) / ticks, peak


def run(binary, name, event, variables):
    server = Server(("127.0.0.1", 0), RuntimeApi)
    server.state = {"handed": False, "event": event, "answered": threading.Event(), "done": threading.Event()}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {**variables, "OXCART_FUNCTION": name, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
                   "AWS_LAMBDA_FUNCTION_NAME": name, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
                   "AWS_LAMBDA_FUNCTION_VERSION": "1", "AWS_LAMBDA_LOG_STREAM_NAME": "s", "AWS_LAMBDA_LOG_GROUP_NAME": "g"}
    began = time.monotonic()
    process = subprocess.Popen([binary], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        if not server.state["answered"].wait(20) or server.state["error"]:
            sys.exit(f"{name}: no answer: {server.state.get('answer')}")
        cpu, peak = usage(process.pid)
        answer = json.loads(server.state["answer"])
        return server.state["at"] - began, cpu, peak, answer.get("statusCode", "-") if isinstance(answer, dict) else "-"
    finally:
        process.kill()
        process.wait()
        server.state["done"].set()
        server.shutdown()


def main():
    program, names = sys.argv[1], (sys.argv[2:] or DEFAULT.split())
    registry = {f["name"]: f for f in json.load(open(f"{ROOT}/infra/generated/functions.json"))["functions"]}
    work = f"{ROOT}/target/coldstart"
    os.makedirs(work, exist_ok=True)
    print("| function | binary | zip | status | wall ms | CPU ms | peak memory |\n|---|--:|--:|--:|--:|--:|--:|")
    for name in names:
        zipped = f"{ROOT}/target/lambda/{registry[name]['binary']}/bootstrap.zip"
        binary = f"{work}/{registry[name]['binary']}"
        with zipfile.ZipFile(zipped) as archive, open(binary, "wb") as out:
            out.write(archive.read("bootstrap"))
        os.chmod(binary, 0o755)
        event = open(f"{ROOT}/events/{name}.json", "rb").read()
        runs = []
        for _ in range(RUNS):
            data = subprocess.Popen([program, "data", "--fixtures", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
            variables = {}
            for line in data.stdout:
                match = re.match(r"export (\w+)='(.*)$", line)
                if match:
                    value = match.group(2)
                    while not value.endswith("'\n") and not value.endswith("'"):
                        value += "\n" + data.stdout.readline()
                    variables[match.group(1)] = value.rstrip("\n").rstrip("'")
                    if match.group(1) == "AWS_ENDPOINT_URL":
                        break
            try:
                runs.append(run(binary, name, event, variables))
            finally:
                data.terminate()
                data.wait()
        wall, cpu, peak = (statistics.median(r[i] for r in runs) for i in range(3))
        size, small = os.path.getsize(binary) / 1e6, os.path.getsize(zipped) / 1e6
        print(f"| `{name}` | {size:.1f} MB | {small:.1f} MB | {runs[0][3]} | {wall * 1000:.1f} | {cpu * 1000:.1f} | {peak / 1024:.1f} MB |", flush=True)


main()
