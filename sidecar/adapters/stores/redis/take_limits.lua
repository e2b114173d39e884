-- Charges requests to rate limits: for each request to all of its limits, or to none.
-- The arithmetic is that of sidecar/knowledge/limits, where the promises stand; the clock is the
-- server's, so a replica whose clock is wrong changes nothing.
-- KEYS: one counter for each charge; in strict mode the epoch behind them.
-- ARGV: 1 mode (strict or empty), 2 how many charges each request has, joined by blanks, empty
-- where each has one, 3 how many units beyond its cost each charge wants as a lease, joined
-- likewise, empty for none at all; then a word for each charge, in MessagePack: kind (window, bucket, day, month,
-- slots), amount, period in microseconds, burst, cost, flags (1 shadow, 2 refused requests are
-- charged), microseconds that a lease lasts; for slots the process, and the period is how long its
-- word holds.
-- Returns four numbers for each charge: 1 for room, 0 for none, 2 where that cannot be known; units
-- left, microseconds to wait, units that are leased.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local charges = #ARGV - 3
local DAY = 86400000000
local ceil, max, min = math.ceil, math.max, math.min
local pack, unpacked = struct.pack, struct.unpack

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

-- A window's state: total units, and the entries behind it as they are stored, 24 bytes for each:
-- moments of the first and the last charge, units. Only the ends are touched for most requests.
local function new_window()
  local window = {}
  local ENTRY = 'ddd'
  local BYTES = 24

  function window.load(held)
    if not held then return { total = 0, log = '' } end
    return { total = unpacked('d', held), log = string.sub(held, 9) }
  end

  function window.save(state) return pack('d', state.total) .. state.log end

  function window.forget(state, one)
    local gone = 1
    while gone < #state.log do
      local _, last, units = unpacked(ENTRY, state.log, gone)
      if last + one.period > now then break end
      state.total, gone = state.total - units, gone + BYTES
    end
    if gone > 1 then state.log = string.sub(state.log, gone) end
  end

  function window.wait(state, one)
    local excess = state.total + one.cost - one.amount
    if excess <= 0 then return 0 end
    for at = 1, #state.log, BYTES do
      local _, last, units = unpacked(ENTRY, state.log, at)
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
      local latest, ended, many = unpacked(ENTRY, state.log, size - BYTES + 1)
      -- Others may have longer leases, while a policy is rolled out: what they took counts as long
      -- as they said. Further ahead only a clock can be that was set back since.
      if ended - at <= one.period / 32 then at = max(at, ended) end
      if at - latest < math.floor(one.period / 64) then
        first, before, size = latest, many, size - BYTES
      end
    end
    state.log = string.sub(state.log, 1, size) .. pack(ENTRY, first or at, at, before + units)
    state.total = state.total + units
    while state.total > one.amount do
      local oldest, last, many = unpacked(ENTRY, state.log)
      local surplus = min(state.total - one.amount, many)
      local kept = surplus < many and pack(ENTRY, oldest, last, many - surplus) or ''
      state.total, state.log = state.total - surplus, kept .. string.sub(state.log, BYTES + 1)
    end
  end

  function window.left(state, one) return one.amount - state.total end

  function window.next(state, one)
    if state.log == '' then return 0 end
    local _, last = unpacked(ENTRY, state.log)
    return last + one.period - now
  end

  function window.ends(state, one)
    local _, last = unpacked(ENTRY, state.log, #state.log - BYTES + 1)
    return last + one.period
  end

  return window
end

-- A bucket's state: the moment from which it is full.
local function new_bucket()
  local bucket = {}
  function bucket.load(held) return { held and unpacked('d', held) or 0 } end
  function bucket.save(state) return pack('d', state[1]) end
  function bucket.forget() end
  function bucket.wait(state, one)
    local unit, full = one.unit, state[1]
    if one.cost > one.burst then return max(one.burst, 1) * unit end
    if full < now then full = now end
    return max(full + (one.cost - one.burst) * unit - now, 0)
  end

  function bucket.charge(state, one, units)
    local unit, full = one.unit, state[1]
    if full < now then full = now end
    state[1] = min(full + units * unit, now + one.burst * unit)
  end

  function bucket.left(state, one)
    local lacking = state[1] - now
    return lacking > 0 and one.burst - ceil(lacking / one.unit) or one.burst
  end

  function bucket.next(state, one)
    local lacking = state[1] - now
    return lacking > 0 and (lacking - 1) % one.unit + 1 or 0
  end

  function bucket.ends(state) return state[1] end

  return bucket
end

-- A quota's state: the end of the period, and units that are used.
local function new_quota()
  local quota = {}
  function quota.load(held)
    if not held then return { 0, 0 } end
    local ends, used = unpacked('dd', held)
    return { ends, used }
  end

  function quota.save(state) return pack('dd', state[1], state[2]) end

  function quota.forget(state, one)
    if now >= state[1] then state[1], state[2] = end_of_period(one.kind), 0 end
  end

  function quota.wait(state, one)
    return state[2] + one.cost <= one.amount and 0 or state[1] - now
  end

  function quota.charge(state, one, units) state[2] = min(state[2] + units, one.amount) end
  function quota.left(state, one) return one.amount - state[2] end
  function quota.next(state) return state[2] > 0 and state[1] - now or 0 end
  function quota.ends(state) return state[1] end

  return quota
end

-- What a kind needs is made when a charge of that kind comes: all of it, each time, would take as
-- long as two charges.
local makers = {
  window = new_window, bucket = new_bucket, day = new_quota, month = new_quota, slots = new_slots,
}
local ways = {}
local function way_of(kind)
  local way = ways[kind]
  if not way then
    way = makers[kind]()
    ways[kind] = way
  end
  return way
end

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
  if one.kind == 'window' or one.kind == 'slots' then
    until_sure = epoch + one.period + one.lease
  elseif one.kind == 'bucket' then
    until_sure = epoch + one.burst * one.unit + one.lease
  else
    local begins = math.floor(now / DAY)
    if one.kind == 'month' then begins = begins - day_of_month(begins) end
    until_sure = epoch > begins * DAY and end_of_period(one.kind) or 0
  end
  return max(until_sure - now, 0)
end

-- What is the same for all charges to a limit is read once.
local read = {}
local function limit_of(word)
  local facts = cmsgpack.unpack(word)
  local way, amount, period = way_of(facts[1]), facts[2], facts[3]
  local one = {
    kind = facts[1], amount = amount, period = period, burst = facts[4], cost = facts[5],
    is_shadow = facts[6] % 2 == 1, is_greedy = facts[6] >= 2, lease = facts[7],
    holder = facts[8], unit = amount > 0 and ceil(period / amount) or 0,
    load = way.load, save = way.save, forget = way.forget, wait = way.wait, charge = way.charge,
    left = way.left, next = way.next, ends = way.ends,
  }
  read[word] = one
  return one
end

local wants = {}
for want in string.gmatch(ARGV[3], '%d+') do wants[#wants + 1] = tonumber(want) end
local states, limits, doubts, answers, changed = {}, {}, {}, {}, {}
local held = charges > 0 and redis.call('MGET', unpack(KEYS, 1, charges))

-- Says how long a charge would have to wait, and whether that refuses its request.
local function look(at)
  local word, key = ARGV[3 + at], KEYS[at]
  local one, state = read[word] or limit_of(word), states[key]
  if not state then
    state = one.load(held[at])
    states[key] = state
  end
  one.forget(state, one, now)
  local wait = one.wait(state, one)
  if epoch > 0 then
    doubts[at] = doubt(one)
    wait = max(wait, doubts[at])
  end
  limits[at] = one
  return wait, wait > 0 and not one.is_shadow
end

local function charge(at, wait, is_refused)
  local key, one, leased = KEYS[at], limits[at], 0
  local state, is_charged = states[key], not is_refused
  if wait > 0 then is_charged = one.is_greedy end
  if is_charged then
    local want = wants[at] or 0
    if wait == 0 and want > 0 then
      -- No more than an eighth of what is left: other replicas want some too.
      leased = max(min(want, math.floor((one.left(state, one) - one.cost) / 8)), 0)
    end
    one.charge(state, one, one.cost + leased, now)
    changed[key] = one
  end
  local is_doubted, place = (doubts[at] or 0) > 0, 4 * at
  answers[place - 3] = wait > 0 and (is_doubted and 2 or 0) or 1
  answers[place - 2] = is_doubted and 0 or one.left(state, one)
  answers[place - 1] = wait > 0 and wait or one.next(state, one)
  answers[place] = leased
end

if ARGV[2] == '' then
  for at = 1, charges do charge(at, look(at)) end
end
local last = 0
for size in string.gmatch(ARGV[2], '%d+') do
  local first, waits, is_refused = last + 1, {}, false
  last = last + tonumber(size)
  for at = first, last do
    local wait, refuses = look(at)
    waits[at], is_refused = wait, is_refused or refuses
  end
  for at = first, last do charge(at, waits[at], is_refused) end
end

for key, one in pairs(changed) do
  local state = states[key]
  local life = max(ceil((one.ends(state, one) - now) / 1000), 1)
  -- A number would be written with 17 digits, which takes longer than all the rest of it.
  redis.call('PSETEX', key, string.format('%.0f', life), one.save(state))
end
return answers
