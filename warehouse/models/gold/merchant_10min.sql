{{ windows_by('merchant') }}
