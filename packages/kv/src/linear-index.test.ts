import { LinearIndex } from './linear-index.ts';
import { describePrefixIndex } from './prefix-index.contract.testing.ts';

describePrefixIndex('LinearIndex', (options) => new LinearIndex(options));
