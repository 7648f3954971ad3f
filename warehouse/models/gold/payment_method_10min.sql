{{ windows_by('payment_method') }}
