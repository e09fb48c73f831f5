import { describePrefixIndex } from './prefix-index.contract.testing.ts';
import { RadixIndex } from './radix-index.ts';

describePrefixIndex('RadixIndex', (options) => new RadixIndex(options));
