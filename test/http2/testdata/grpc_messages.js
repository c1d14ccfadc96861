// google.protobuf.BytesValue, and what a kind of call says: see calls in grpc_test.go.
exports.encode = (value) => {
  const length = [];
  let n = value.length;
  for (; n > 127; n >>= 7) length.push((n & 127) | 128);
  return Buffer.concat([Buffer.from([10, ...length, n]), value]);
};
exports.decode = (text) => {
  if (text.length === 0) return text;
  let at = 1;
  while (text[at] & 128) at++;
  return text.subarray(at + 1);
};
