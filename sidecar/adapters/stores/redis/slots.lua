-- What goes on at the same time: a counter's state is 24 bytes for each process that holds
-- something: its name, units, and the moment from which they do not count any more unless it says
-- again that it holds them. So what a process held that died is free again in time.
local HELD = 'c8dd'
local HELD_BYTES = 24

local function new_slots()
  local slots = {}

  function slots.load(held)
    local state, log = {}, held or ''
    for at = 1, #log, HELD_BYTES do
      local name, units, ends = struct.unpack(HELD, log, at)
      state[name] = { units = units, ends = ends }
    end
    return state
  end

  function slots.save(state)
    local parts = {}
    for name, own in pairs(state) do
      parts[#parts + 1] = struct.pack(HELD, name, own.units, own.ends)
    end
    return table.concat(parts)
  end

  -- So far ahead only a clock can be that was set back since.
  function slots.forget(state, one, now)
    for name, own in pairs(state) do
      if own.ends <= now or own.ends > now + 2 * one.period then state[name] = nil end
    end
  end

  local function held_of(state)
    local sum = 0
    for _, own in pairs(state) do sum = sum + own.units end
    return sum
  end

  function slots.left(state, one) return math.max(one.amount - held_of(state), 0) end

  function slots.wait(state, one) return slots.left(state, one) >= one.cost and 0 or 1000000 end

  function slots.charge(state, one, units, now)
    local own = state[one.holder]
    state[one.holder] = { units = (own and own.units or 0) + units, ends = now + one.period }
  end

  function slots.next() return 0 end

  function slots.ends(state)
    local latest = 0
    for _, own in pairs(state) do latest = math.max(latest, own.ends) end
    return latest
  end

  return slots
end
