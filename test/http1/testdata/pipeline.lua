-- For wrk: eight requests in each write. It prints nothing: the server's log tells what there was. No HEAD: wrk waits for a
-- body behind its answer, takes the next response for one, and closes the connection.
init = function()
  local all = {}
  for i = 1, 8 do
    all[i] = wrk.format(i % 4 == 0 and "OPTIONS" or "GET", i % 2 == 0 and "/page" or "/404")
  end
  all = table.concat(all)
  request = function()
    return all
  end
end
