-- For wrk: eight requests in each write. It prints nothing: the server's log tells what there was.
init = function()
  local all = {}
  for i = 1, 8 do
    all[i] = wrk.format(i % 4 == 0 and "HEAD" or "GET", i % 2 == 0 and "/page" or "/404")
  end
  all = table.concat(all)
  request = function()
    return all
  end
end
