/** The forms of output (forms.ts). Apart, since help names them before anything else is loaded. */
export const outputForms = ['table', 'wide', 'json', 'yaml', 'name'] as const
export type OutputForm = (typeof outputForms)[number]
