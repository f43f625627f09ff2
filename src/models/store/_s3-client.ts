/** The part of a client for S3 that the depot uses. The `S3` of `@aws-sdk/client-s3` (version 3) fits. */

interface Place { readonly Bucket: string; readonly Key: string }
interface Upload extends Place { readonly UploadId: string }

/** An object as it is read. */
export interface S3Object {
  /** Gives its bytes by `for await`. */
  readonly Body?: unknown
  readonly ContentLength?: number | undefined
  readonly ETag?: string | undefined
}

/** The methods of a client for S3 that the depot uses. The `S3` of `@aws-sdk/client-s3` has them. */
export interface S3Client {
  getObject(input: Place & { Range?: string; IfMatch?: string }): Promise<S3Object>
  headObject(input: Place & { ChecksumMode?: 'ENABLED' }): Promise<{
    readonly ContentLength?: number | undefined
    readonly ChecksumSHA256?: string | undefined
    readonly ChecksumType?: string | undefined
    readonly Metadata?: Readonly<Record<string, string>> | undefined
  }>
  putObject(input: Place & { Body: Uint8Array; ContentLength: number; Metadata: Record<string, string>; IfNoneMatch?: string; ChecksumAlgorithm?: 'SHA256'; ChecksumSHA256?: string }): Promise<unknown>
  deleteObject(input: Place): Promise<unknown>
  listObjectsV2(input: { Bucket: string; Prefix: string; Delimiter?: string; ContinuationToken?: string }): Promise<{
    readonly Contents?: readonly { readonly Key?: string | undefined; readonly Size?: number | undefined; readonly LastModified?: Date | undefined }[] | undefined
    readonly CommonPrefixes?: readonly { readonly Prefix?: string | undefined }[] | undefined
    readonly IsTruncated?: boolean | undefined
    readonly NextContinuationToken?: string | undefined
  }>
  createMultipartUpload(input: Place & { Metadata: Record<string, string> }): Promise<{ readonly UploadId?: string | undefined }>
  uploadPart(input: Upload & { PartNumber: number; Body: Uint8Array; ContentLength: number }): Promise<{ readonly ETag?: string | undefined }>
  completeMultipartUpload(input: Upload & { MultipartUpload: { Parts: { ETag: string; PartNumber: number }[] } }): Promise<unknown>
  abortMultipartUpload(input: Upload): Promise<unknown>
  listMultipartUploads(input: { Bucket: string; Prefix: string; KeyMarker?: string | undefined; UploadIdMarker?: string | undefined }): Promise<{
    readonly Uploads?: readonly { readonly Key?: string | undefined; readonly UploadId?: string | undefined; readonly Initiated?: Date | undefined }[] | undefined
    readonly IsTruncated?: boolean | undefined
    readonly NextKeyMarker?: string | undefined
    readonly NextUploadIdMarker?: string | undefined
  }>
}
