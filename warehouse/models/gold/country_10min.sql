{{ windows_by('country') }}
