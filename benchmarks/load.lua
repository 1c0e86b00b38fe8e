-- wrk's side of generator.py: wrk ... -s load.lua URL -- BODY_FILE CONTENT_TYPE [EXPECTED ...]
-- Checks each answer as benchmarks/load.py does, and prints the same JSON line.
local threads = {}
wrong = 0
numbers = {}

function setup(thread)
    table.insert(threads, thread)
end

function init(arguments)
    local file = assert(io.open(arguments[1], "rb"))
    wrk.method = "POST"
    wrk.body = file:read("*a")
    file:close()
    wrk.headers["Content-Type"] = arguments[2]
    for place = 3, #arguments do
        table.insert(numbers, "%f[%d.]" .. arguments[place]:gsub("%.", "%%.") .. "%f[%D]")
    end
end

function response(status, headers, body)
    local right = status == 200
    for _, number in ipairs(numbers) do
        right = right and body:find(number) ~= nil
    end
    if not right then
        wrong = wrong + 1
    end
end

function done(summary, latency, requests)
    local failed = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
    for _, thread in ipairs(threads) do
        failed = failed + thread:get("wrong")
    end
    local right = math.max(0, summary.requests - failed)
    io.write(string.format('\n{"requests_s": %f, "p50_ms": %f, "p99_ms": %f, "answers": %d, "failed": %d}\n',
        right / summary.duration * 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, right, failed))
end
