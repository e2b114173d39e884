-- Charges requests to rate limits: for each request to all of its limits, or to none.
-- The arithmetic is that of sidecar/knowledge/limits, where the promises stand; the clock is the
-- server's, so a replica whose clock is wrong changes nothing.
-- KEYS: one counter for each charge; in strict mode the epoch behind them.
-- ARGV: 1 mode (strict or empty), 2 how many charges each request has, joined by blanks, 3 how many
-- units beyond its cost each charge wants as a lease, joined likewise, empty for none at all; then a
-- word for each charge, in MessagePack: kind (window, bucket, day, month, slots), amount, period in
-- microseconds, burst, cost, flags (1 shadow, 2 refused requests are charged), microseconds that a
-- lease lasts; for slots the process, and the period is how long its word holds.
-- Returns four numbers for each charge: 1 for room, 0 for none, 2 where that cannot be known; units
-- left, microseconds to wait, units that are leased.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local charges = #ARGV - 3
local DAY = 86400000000

-- Days of the month in which a moment lies, and the day of the month from 0.
-- Howard Hinnant, chrono-compatible date algorithms: civil_from_days.
local function day_of_month(days)
  local z = days + 719468
  local doe = z - math.floor(z / 146097) * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524)
    - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  return doy - math.floor((153 * mp + 2) / 5)
end

local function end_of_period(kind)
  local days = math.floor(now / DAY)
  if kind == 'day' then
    return (days + 1) * DAY
  end
  -- The first day that is the first of a month.
  repeat days = days + 1 until day_of_month(days) == 0
  return days * DAY
end

local window, bucket, quota = {}, {}, {}

-- A window's state: total units, and the entries behind it as they are stored, 24 bytes for each:
-- moments of the first and the last charge, units. Only the ends are touched for most requests.
local ENTRY = 'ddd'
local BYTES = 24

function window.load(held)
  if not held then return { total = 0, log = '' } end
  return { total = struct.unpack('d', held), log = string.sub(held, 9) }
end

function window.save(state) return struct.pack('d', state.total) .. state.log end

function window.forget(state, one)
  local gone = 1
  while gone < #state.log do
    local _, last, units = struct.unpack(ENTRY, state.log, gone)
    if last + one.period > now then break end
    state.total, gone = state.total - units, gone + BYTES
  end
  if gone > 1 then state.log = string.sub(state.log, gone) end
end

function window.wait(state, one)
  local excess = state.total + one.cost - one.amount
  if excess <= 0 then return 0 end
  for at = 1, #state.log, BYTES do
    local _, last, units = struct.unpack(ENTRY, state.log, at)
    excess = excess - units
    if excess <= 0 then return last + one.period - now end
  end
  return one.period
end

-- What may be used until a lease ends counts from that end; all charges do, so that they stay in
-- order.
function window.charge(state, one, units)
  local at, size = now + one.lease, #state.log
  local first, before = nil, 0
  if size > 0 then
    local latest, ended, many = struct.unpack(ENTRY, state.log, size - BYTES + 1)
    -- Others may have longer leases, while a policy is rolled out: what they took counts as long as
    -- they said. Further ahead only a clock can be that was set back since.
    if ended - at <= one.period / 32 then at = math.max(at, ended) end
    if at - latest < math.floor(one.period / 64) then
      first, before, size = latest, many, size - BYTES
    end
  end
  state.log = string.sub(state.log, 1, size) .. struct.pack(ENTRY, first or at, at, before + units)
  state.total = state.total + units
  while state.total > one.amount do
    local oldest, last, many = struct.unpack(ENTRY, state.log)
    local surplus = math.min(state.total - one.amount, many)
    local kept = surplus < many and struct.pack(ENTRY, oldest, last, many - surplus) or ''
    state.total, state.log = state.total - surplus, kept .. string.sub(state.log, BYTES + 1)
  end
end

function window.left(state, one) return one.amount - state.total end

function window.next(state, one)
  if state.log == '' then return 0 end
  local _, last = struct.unpack(ENTRY, state.log)
  return last + one.period - now
end

function window.ends(state, one)
  local _, last = struct.unpack(ENTRY, state.log, #state.log - BYTES + 1)
  return last + one.period
end

-- A bucket's state: the moment from which it is full.
function bucket.load(held) return { held and struct.unpack('d', held) or 0 } end
function bucket.save(state) return struct.pack('d', state[1]) end
function bucket.forget() end
local function unit_of(one) return math.ceil(one.period / one.amount) end

function bucket.wait(state, one)
  local unit = unit_of(one)
  if one.cost > one.burst then return math.max(one.burst, 1) * unit end
  return math.max(math.max(state[1], now) + (one.cost - one.burst) * unit - now, 0)
end

function bucket.charge(state, one, units)
  local unit = unit_of(one)
  state[1] = math.min(math.max(state[1], now) + units * unit, now + one.burst * unit)
end

function bucket.left(state, one)
  return one.burst - math.ceil(math.max(state[1] - now, 0) / unit_of(one))
end

function bucket.next(state, one)
  local lacking = math.max(state[1] - now, 0)
  return lacking > 0 and (lacking - 1) % unit_of(one) + 1 or 0
end

function bucket.ends(state) return state[1] end

-- A quota's state: the end of the period, and units that are used.
function quota.load(held)
  if not held then return { 0, 0 } end
  local ends, used = struct.unpack('dd', held)
  return { ends, used }
end

function quota.save(state) return struct.pack('dd', state[1], state[2]) end

function quota.forget(state, one)
  if now >= state[1] then state[1], state[2] = end_of_period(one.kind), 0 end
end

function quota.wait(state, one)
  return state[2] + one.cost <= one.amount and 0 or state[1] - now
end

function quota.charge(state, one, units) state[2] = math.min(state[2] + units, one.amount) end
function quota.left(state, one) return one.amount - state[2] end
function quota.next(state) return state[2] > 0 and state[1] - now or 0 end
function quota.ends(state) return state[1] end

local ways = { window = window, bucket = bucket, day = quota, month = quota, slots = slots }

-- Strict mode: what a server that is new, or another, may have lost cannot be counted, so nothing
-- is admitted until it could not count any more either.
local epoch = 0
if ARGV[1] == 'strict' then
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  local known = redis.call('GET', KEYS[charges + 1])
  local own, since = string.match(known or '', '^(%x+):(%d+)$')
  if own == run then
    epoch = tonumber(since)
  else
    epoch = now
    redis.call('SET', KEYS[charges + 1], run .. ':' .. string.format('%.0f', now))
  end
end

local function doubt(one)
  if epoch == 0 then return 0 end
  local until_sure
  if one.way == window or one.way == slots then
    until_sure = epoch + one.period + one.lease
  elseif one.way == bucket then
    until_sure = epoch + one.burst * unit_of(one) + one.lease
  else
    local begins = math.floor(now / DAY)
    if one.kind == 'month' then begins = begins - day_of_month(begins) end
    until_sure = epoch > begins * DAY and end_of_period(one.kind) or 0
  end
  return math.max(until_sure - now, 0)
end

-- What is the same for all charges to a limit is read once.
local read = {}
local function limit_of(word)
  local one = read[word]
  if not one then
    local facts = cmsgpack.unpack(word)
    one = {
      kind = facts[1], way = ways[facts[1]], amount = facts[2], period = facts[3],
      burst = facts[4], cost = facts[5], is_shadow = facts[6] % 2 == 1, is_greedy = facts[6] >= 2,
      lease = facts[7], holder = facts[8],
    }
    read[word] = one
  end
  return one
end

local wants = {}
for want in string.gmatch(ARGV[3], '%d+') do wants[#wants + 1] = tonumber(want) end
local states, waits, doubts, changed, answers = {}, {}, {}, {}, {}
local held = charges > 0 and redis.call('MGET', unpack(KEYS, 1, charges))
local last = 0
for size in string.gmatch(ARGV[2], '%d+') do
  local first, is_refused = last + 1, false
  last = last + tonumber(size)
  for at = first, last do
    local one, key = limit_of(ARGV[3 + at]), KEYS[at]
    local state = states[key]
    if not state then
      state = one.way.load(held[at])
      states[key] = state
    end
    one.way.forget(state, one, now)
    doubts[at] = doubt(one)
    local wait = math.max(one.way.wait(state, one), doubts[at])
    waits[at] = wait
    is_refused = is_refused or (wait > 0 and not one.is_shadow)
  end
  for at = first, last do
    local one, state, wait = limit_of(ARGV[3 + at]), states[KEYS[at]], waits[at]
    local is_charged = not is_refused
    if wait > 0 then is_charged = one.is_greedy end
    local leased = 0
    if is_charged then
      local want = wants[at] or 0
      if wait == 0 and want > 0 then
        -- No more than an eighth of what is left: other replicas want some too.
        local part = math.floor((one.way.left(state, one) - one.cost) / 8)
        leased = math.max(math.min(want, part), 0)
      end
      one.way.charge(state, one, one.cost + leased, now)
      changed[KEYS[at]] = one
    end
    local place = #answers
    answers[place + 1] = wait > 0 and (doubts[at] > 0 and 2 or 0) or 1
    answers[place + 2] = doubts[at] > 0 and 0 or one.way.left(state, one)
    answers[place + 3] = wait > 0 and wait or one.way.next(state, one)
    answers[place + 4] = leased
  end
end

for key, one in pairs(changed) do
  local life = math.ceil((one.way.ends(states[key], one) - now) / 1000)
  redis.call('PSETEX', key, math.max(life, 1), one.way.save(states[key]))
end
return answers
