-- Each request by the next of many callers; their field lines stand in a file, one a line.
local requests = {}
local number = 0

init = function(args)
  for line in io.lines(args[1]) do
    local name, value = line:match("^([^:]+): (.*)$")
    local headers = {}
    for own, content in pairs(wrk.headers) do
      headers[own] = content
    end
    headers[name] = value
    table.insert(requests, wrk.format(nil, nil, headers))
  end
end

request = function()
  number = number % #requests + 1
  return requests[number]
end
