-- No two requests alike: a memory of what was seen before must not be what is measured. The order
-- and the trace change with every request, as they do for real callers.
local before, between, after
local number = 0

init = function()
  local host = wrk.headers["Host"]
  local lines = {}
  for name, value in pairs(wrk.headers) do
    if name ~= "Host" then
      table.insert(lines, name .. ": " .. value)
    end
  end
  before = "GET " .. wrk.path .. "-"
  between = " HTTP/1.1\r\nHost: " .. host .. "\r\n" .. table.concat(lines, "\r\n")
    .. "\r\ntraceparent: 00-0af7651916cd43dd8448eb211c8"
  after = "-b7ad6b7169203331-01\r\n\r\n"
  number = os.time() % 100000
end

request = function()
  number = number + 1
  local digits = string.format("%05x", number % 1048576)
  return before .. digits .. between .. digits .. after
end
