-- Says how many units of each counter a process holds now, and that it still does.
-- KEYS: the counters.
-- ARGV: 1 the process, 8 bytes; 2 microseconds that this holds; 3 the units, joined by blanks.
-- Returns the number of counters.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local period = tonumber(ARGV[2])
local slots = new_slots()
local at = 0
for units in string.gmatch(ARGV[3], '%d+') do
  at = at + 1
  local held = redis.call('GET', KEYS[at])
  local state = slots.load(held)
  slots.forget(state, { period = period }, now)
  state[ARGV[1]] = tonumber(units) > 0 and { units = tonumber(units), ends = now + period } or nil
  if next(state) then
    local life = math.ceil((slots.ends(state) - now) / 1000)
    redis.call('PSETEX', KEYS[at], life, slots.save(state))
  elseif held then
    redis.call('DEL', KEYS[at])
  end
end
return at
