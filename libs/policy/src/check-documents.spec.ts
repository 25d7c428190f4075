import { describe, expect, it } from '@jest/globals';
import { checkAgreement, checkPipeline } from './check-documents.js';
import { defaultPipeline, standardAgreement } from './defaults.js';

const code = (run: () => void): string => {
  try {
    run();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'accepted';
};

describe('A pipeline', () => {
  const [first, ...others] = defaultPipeline.dealStages;

  it('is refused when a later deal stage is less likely to be won than an earlier one', () => {
    const dealStages = [{ ...first!, winProbability: 0.76 }, ...others];
    expect(code(() => checkPipeline({ ...defaultPipeline, dealStages }))).toBe('PROBABILITY_NOT_MONOTONE');
    expect(
      code(() => checkPipeline({ ...defaultPipeline, dealStages: [{ ...first!, winProbability: 0.75 }, ...others] })),
    ).toBe('accepted');
  });

  it('is read in the order of its stages, not of the list', () => {
    expect(code(() => checkPipeline({ ...defaultPipeline, dealStages: [...others, first!] }))).toBe('accepted');
  });

  it('is refused when a stage or a reason is given twice', () => {
    expect(code(() => checkPipeline({ ...defaultPipeline, dealStages: [first!, { ...first!, order: 9 }] }))).toBe(
      'VALIDATION_FAILED',
    );
    const junk = [
      { code: 'spam', needsNote: false },
      { code: 'spam', needsNote: true },
    ];
    const reasonCodes = { ...defaultPipeline.reasonCodes, junk };
    expect(code(() => checkPipeline({ ...defaultPipeline, reasonCodes }))).toBe('VALIDATION_FAILED');
  });
});

describe('An agreement', () => {
  const [clock, ...others] = standardAgreement.clocks;
  const having = (change: object) =>
    code(() => checkAgreement({ ...standardAgreement, clocks: [{ ...clock!, ...change }, ...others] }));

  it('is refused when a clock would warn at or after its target', () => {
    expect(having({ warnOpenS: clock!.targetOpenS })).toBe('VALIDATION_FAILED');
    expect(having({ warnOpenS: clock!.targetOpenS - 1 })).toBe('accepted');
  });

  it('is refused when a higher level would be reached no later than a lower one', () => {
    const levels = (third: number, fourth: number) => [
      { level: 3, afterDueOpenS: third, toRole: 'sales_manager' },
      { level: 4, afterDueOpenS: fourth, toRole: 'ops' },
    ];
    expect(having({ escalations: levels(3600, 3600) })).toBe('VALIDATION_FAILED');
    expect(having({ escalations: levels(3600, 7200) })).toBe('accepted');
  });

  it('is refused when it promises one clock twice', () => {
    expect(code(() => checkAgreement({ ...standardAgreement, clocks: [clock!, clock!] }))).toBe('VALIDATION_FAILED');
  });
});
