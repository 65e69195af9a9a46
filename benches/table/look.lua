-- Sessions by cookie, one cookie after another. The requests are made beforehand, so that wrk costs as little for these
-- as for the floor, which is asked the same.
local requests, next = {}, 0

function init(arguments)
    for cookie in io.lines(arguments[1]) do
        requests[#requests + 1] = wrk.format("GET", nil, { cookie = cookie })
    end
end

function request()
    next = next % #requests + 1
    return requests[next]
end
