import { describeEngineContract } from './engine-contract.testing.ts';

describeEngineContract('worker');
