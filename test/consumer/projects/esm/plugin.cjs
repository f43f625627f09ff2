module.exports = [require('outrigger'), require('outrigger/testing')]
