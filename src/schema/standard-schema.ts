/** The interface that zod, valibot, arktype and others share, by its shape: https://standardschema.dev, version 1. */

/** What is wrong with a value, and where. */
export interface StandardIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** A value as the schema makes it, or what is wrong. */
export type StandardResult<Output> = { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly StandardIssue[] }

/** A schema of any library that speaks Standard Schema. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

/** What a Standard Schema takes. */
export type InferInput<S extends StandardSchema> = NonNullable<S['~standard']['types']>['input']

/** What a Standard Schema gives. */
export type InferOutput<S extends StandardSchema> = NonNullable<S['~standard']['types']>['output']
