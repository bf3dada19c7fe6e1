-- Sends one call over and over. Arguments: a file with the call, a file with run ids (one a line), the first number.
--
-- The call's file has three lines: method, path, body. In path and body `$run` becomes a run id, all in turn, and `$n` a
-- number that no other request of the measurement has. Use one thread: the number is counted per thread.

wrk.headers["Accept"] = "*/*"
wrk.headers["Accept-Encoding"] = "gzip, deflate"
wrk.headers["Connection"] = "keep-alive"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["User-Agent"] = "mlflow-python-client/3.7.0"
wrk.headers["X-MLflow-Client-Version"] = "3.7.0"

local runs, number = {}, 0
local method, path, body

-- The text in pieces, with the places where numbers and run ids go.
local function parse(text)
  local template = { pieces = {}, numbers = {}, runs = {} }
  local from = 1
  while true do
    local start = text:find("$", from, true)
    table.insert(template.pieces, text:sub(from, start and start - 1))
    if not start then return template end
    table.insert(template.pieces, "")
    local name = text:match("^%a+", start + 1)
    table.insert(name == "run" and template.runs or template.numbers, #template.pieces)
    from = start + 1 + #name
  end
end

local function fill(template, run, n)
  local pieces = template.pieces
  if #pieces == 1 then return pieces[1] end
  for _, place in ipairs(template.runs) do pieces[place] = run end
  for _, place in ipairs(template.numbers) do pieces[place] = n end
  return table.concat(pieces)
end

function init(args)
  local call = io.open(args[1])
  method, path, body = call:read("*l"), call:read("*l"), call:read("*l")
  call:close()
  for id in io.lines(args[2]) do table.insert(runs, id) end
  number = tonumber(args[3])
  path, body = parse(path), parse(body)
  if #path.pieces == 1 and #body.pieces == 1 then
    local fixed = wrk.format(method, path.pieces[1], nil, body.pieces[1] ~= "" and body.pieces[1] or nil)
    request = function() return fixed end
  end
end

function request()
  number = number + 1
  local n = string.format("%d", number)
  local run = runs[number % #runs + 1]
  local filled = fill(body, run, n)
  return wrk.format(method, fill(path, run, n), nil, filled ~= "" and filled or nil)
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    'RESULT {"answers": %d, "microseconds": %d, "bytes": %d, "bad_status": %d, "connect_errors": %d, '
      .. '"read_errors": %d, "write_errors": %d, "timeouts": %d, "p50_us": %d, "p95_us": %d, "p99_us": %d, "max_us": %d}\n',
    summary.requests, summary.duration, summary.bytes, e.status, e.connect, e.read, e.write, e.timeout,
    latency:percentile(50), latency:percentile(95), latency:percentile(99), latency.max))
end
