exports.engine = { name: 'scale', load: async (files) => {
  const factor = files.json('factor.json')
  return (x) => x * factor
} }
